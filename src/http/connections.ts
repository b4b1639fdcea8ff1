import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { Link, LinkedList } from "../collections/linkedList.ts"
import type { Body } from "./body.ts"

/** What the clients of one address hold; one household or host in IPv6. */
export interface Address {
  readonly name: string
  connections: number
  /** Those of its connections that may be closed, the one that has waited longest first. */
  readonly closable: LinkedList<Connection>
  /** Its requests whose headers are there and whose bodies aren't, the oldest first. */
  readonly halfSent: LinkedList<Body>
  /** Bytes held of those bodies. */
  bytes: number
}

/** A client's connection. */
export class Connection {
  readonly socket: Socket
  /** Undefined behind trusted proxies, whose connections are many clients'. */
  readonly address: Address | undefined
  /** How many of its requests aren't answered to the end, those included whose bodies aren't there yet. */
  answers = 0
  /** The request whose body is on its way, if any: only a connection's last one can be. */
  halfSent: Body | undefined
  /** The responses to requests that were sent before the one before them was answered, in order. */
  readonly pipelined: ServerResponse[] = []
  readonly link = new Link<Connection>(this)
  readonly linkOfAddress = new Link<Connection>(this)

  constructor(socket: Socket, address: Address | undefined) {
    this.socket = socket
    this.address = address
  }
}

export interface Connections {
  /** Takes in a new connection; undefined if there is no room for it, when it is closed already. */
  open(socket: Socket): Connection | undefined
  /** The connection that a request came on. */
  of(request: IncomingMessage): Connection
  /** To be told whenever `answers` or `halfSent` has changed. */
  update(connection: Connection): void
  /** Who a request that is half sent is counted for. */
  addressOf(request: IncomingMessage, connection: Connection): Address
  /** To be told when an address may hold nothing more. */
  release(address: Address): void
  readonly addresses: Iterable<Address>
  readonly count: number
}

interface ConnectionLimits {
  /** Of all clients; 0 sets no limit. */
  connections: number
  /** Of one address; 0 sets no limit. */
  addressConnections: number
  trustedProxies: number
}

/** Where a socket keeps its connection: a Map of all of them would have to be asked for each request. */
const own = Symbol("connection")

/**
 * Keeps count of connections, and closes one that waits for its client, the one that has waited longest, when there is no room
 * for a new one: so nobody keeps others out by opening connections and sending nothing, or only part of a request.
 * @param addressOf the address of a client, by what proxies say of it where these are trusted
 */
export function createConnections(
  limits: ConnectionLimits,
  addressOf: (request: IncomingMessage | undefined, socket: Socket) => string,
): Connections {
  const table = new Map<string, Address>()
  const closable = new LinkedList<Connection>()
  let count = 0

  function addressNamed(name: string): Address {
    let address = table.get(name)
    if (address === undefined) {
      address = { name, connections: 0, closable: new LinkedList(), halfSent: new LinkedList(), bytes: 0 }
      table.set(name, address)
    }
    return address
  }

  function release(address: Address) {
    if (address.connections === 0 && address.halfSent.size === 0) table.delete(address.name)
  }

  /** Whether there is room now. */
  function makeRoom(held: number, limit: number, among: LinkedList<Connection>): boolean {
    if (limit === 0 || held < limit) return true
    const oldest = among.first
    if (oldest === undefined) return false
    notClosable(oldest)
    if (oldest.halfSent === undefined) oldest.socket.destroy()
    else oldest.halfSent.end("crowded")
    return true
  }

  function notClosable(connection: Connection) {
    closable.delete(connection.link)
    connection.address?.closable.delete(connection.linkOfAddress)
  }

  function update(connection: Connection) {
    const notBegun = connection.halfSent?.isWanted ? 1 : 0
    if (connection.answers > notBegun || connection.socket.destroyed) {
      notClosable(connection)
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
        return undefined
      }
      const connection = new Connection(socket, address)
      Object.assign(socket, { [own]: connection })
      count += 1
      if (address !== undefined) address.connections += 1
      update(connection)
      socket.once("close", () => {
        notClosable(connection)
        count -= 1
        if (address === undefined) return
        address.connections -= 1
        release(address)
      })
      return connection
    },
    of: ({ socket }) => (socket as Socket & { [own]: Connection })[own],
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
