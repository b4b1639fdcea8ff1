import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { Link, LinkedList } from "../collections/linkedList.ts"
import type { ClientAddress } from "./clientIdentity.ts"

/** What the clients of one address occupy. For IPv6 the address is a /64 network. */
export interface Address {
  readonly name: string
  connections: number
  /** The connections that may be closed, the one that has been idle longest first. */
  readonly closable: LinkedList<Connection>
  /** The incomplete bodies of requests, the oldest first. */
  readonly incompleteBodies: LinkedList<IncompleteBody>
  /** The bytes buffered for those bodies. */
  bufferedBytes: number
}

/** The body of a request of which only a part has been received. */
export interface IncompleteBody {
  /** Whether the request waits for the body. False if the body is being discarded. */
  readonly isNeeded: boolean
  /** Stops reading: the client gets a response with the reason if it has none yet, and the connection is closed. */
  abort(reason: BodyProblem): void
}

/** Why a body is not read to its end. `evicted` means that its memory or its slot was needed for others. */
export type BodyProblem = "tooSlow" | "evicted" | "tooLarge" | "tooFragmented"

export class Connection {
  readonly socket: Socket
  /** Undefined behind trusted proxies: their connections carry requests of many clients. */
  readonly address: Address | undefined
  /** The number of requests without a complete response, including those whose bodies are incomplete. */
  openResponses = 0
  /** At most one: only the last request of a connection can have an incomplete body. */
  incompleteBody: IncompleteBody | undefined
  /** The responses to pipelined requests that are not handled yet, in order. */
  readonly pipelined: ServerResponse[] = []
  readonly link = new Link<Connection>(this)
  readonly linkOfAddress = new Link<Connection>(this)

  constructor(socket: Socket, address: Address | undefined) {
    this.socket = socket
    this.address = address
  }
}

export interface Connections {
  /** Registers a new connection. Closes it if the limits are reached and no other connection can be closed instead. */
  open(socket: Socket): void
  /** Returns the connection of a request. */
  of(request: IncomingMessage): Connection
  /** To be called after each change of `openResponses` or `incompleteBody`. */
  update(connection: Connection): void
  /** Returns the address for which an incomplete body is counted. */
  addressOf(request: IncomingMessage, connection: Connection): Address
  /** To be called when an address may have become unused. */
  release(address: Address): void
  readonly addresses: Iterable<Address>
  readonly count: number
}

interface ConnectionLimits {
  /** For all clients together. 0 disables the limit. */
  connections: number
  /** For one address. 0 disables the limit. */
  addressConnections: number
  trustedProxies: number
}

/** The socket's property that holds its connection: cheaper than a lookup in a Map for each request. */
const connectionOf = Symbol("connection")

/**
 * Limits connections. When a limit is reached, the connection that has waited longest for its client is closed in favour of the
 * new one. So a client can't lock out others by opening connections and sending nothing, or only a part of a request.
 */
export function createConnections(limits: ConnectionLimits, addressOf: ClientAddress): Connections {
  const table = new Map<string, Address>()
  const closable = new LinkedList<Connection>()
  let count = 0

  function addressNamed(name: string): Address {
    let address = table.get(name)
    if (address === undefined) {
      address = {
        name,
        connections: 0,
        closable: new LinkedList(),
        incompleteBodies: new LinkedList(),
        bufferedBytes: 0,
      }
      table.set(name, address)
    }
    return address
  }

  function release(address: Address) {
    if (address.connections === 0 && address.incompleteBodies.size === 0) table.delete(address.name)
  }

  /** Closes a connection if the limit is reached. Returns false if none can be closed. */
  function makeRoom(open: number, limit: number, candidates: LinkedList<Connection>): boolean {
    if (limit === 0 || open < limit) return true
    const oldest = candidates.first
    if (oldest === undefined) return false
    removeFromClosable(oldest)
    if (oldest.incompleteBody === undefined) oldest.socket.destroy()
    else oldest.incompleteBody.abort("evicted")
    return true
  }

  function removeFromClosable(connection: Connection) {
    closable.delete(connection.link)
    connection.address?.closable.delete(connection.linkOfAddress)
  }

  function update(connection: Connection) {
    const notStarted = connection.incompleteBody?.isNeeded ? 1 : 0
    if (connection.openResponses > notStarted || connection.socket.destroyed) {
      removeFromClosable(connection)
      return
    }
    closable.add(connection.link)
    connection.address?.closable.add(connection.linkOfAddress)
  }

  return {
    open(socket) {
      const address = limits.trustedProxies > 0 ? undefined : addressNamed(addressOf(undefined, socket))
      const hasRoom =
        (address === undefined || makeRoom(address.connections, limits.addressConnections, address.closable)) &&
        makeRoom(count, limits.connections, closable)
      if (!hasRoom) {
        if (address !== undefined) release(address)
        socket.destroy()
        return
      }
      const connection = new Connection(socket, address)
      Object.assign(socket, { [connectionOf]: connection })
      count += 1
      if (address !== undefined) address.connections += 1
      update(connection)
      socket.once("close", () => {
        removeFromClosable(connection)
        count -= 1
        if (address === undefined) return
        address.connections -= 1
        release(address)
      })
    },
    of: ({ socket }) => (socket as Socket & { [connectionOf]: Connection })[connectionOf],
    update,
    addressOf: (request, { address, socket }) => address ?? addressNamed(addressOf(request, socket)),
    release,
    get addresses() {
      return table.values()
    },
    get count() {
      return count
    },
  }
}
