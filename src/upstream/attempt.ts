import type { Pool } from "undici"
import { type Breaker, suspended } from "./breaker.ts"
import type { Turns, Waiting } from "./fairSemaphore.ts"
import type { Flight } from "./singleFlight.ts"
import { type Exchange, ExchangeError, exchange, type HttpRequest, type Receiver, type Reply } from "./transport.ts"

/** What a call passes before it is sent. */
export interface Line {
  pool: Pool
  turns: Turns
  breaker: Breaker
}

/** One try to send a call: when upstream is there, and when it is the caller's turn. */
export class Attempt implements Exchange, Receiver, Waiting {
  place: number | undefined
  readonly #line: Line
  readonly #flight: Flight
  readonly #caller: string
  readonly #request: HttpRequest
  readonly #timeoutMs: number
  #hasTurn = false

  constructor(line: Line, flight: Flight, caller: string, request: HttpRequest, timeoutMs: number) {
    this.#line = line
    this.#flight = flight
    this.#caller = caller
    this.#request = request
    this.#timeoutMs = timeoutMs
  }

  begin(): void {
    const { turns, breaker } = this.#line
    if (breaker.isOpen) this.#flight.failed(suspended())
    else if (turns.take()) this.go()
    else {
      const full = turns.wait(this.#caller, this)
      if (full === undefined) this.#flight.begun(this)
      else this.#flight.failed(full)
    }
  }

  /** Gives up in line. */
  abort(): boolean {
    this.#line.turns.leave(this.#caller, this)
    return false
  }

  /** Never throws: whoever gave back the turn has nothing to do with this call. */
  go(): void {
    const { pool, breaker } = this.#line
    this.#hasTurn = true
    if (breaker.isOpen) {
      this.failed(suspended())
      return
    }
    try {
      this.#flight.sent()
      this.#flight.begun(exchange(pool, this.#request, this.#timeoutMs, this))
    } catch (error) {
      this.failed(error)
    }
  }

  received(bytes: number): void {
    this.#flight.received(bytes)
  }

  answered(reply: Reply): void {
    this.#giveBack()
    this.#line.breaker.answered(reply)
    this.#flight.answered(reply)
  }

  failed(error: unknown): void {
    this.#giveBack()
    if (error instanceof ExchangeError) this.#line.breaker.failed(error)
    this.#flight.failed(error)
  }

  #giveBack(): void {
    if (!this.#hasTurn) return
    this.#hasTurn = false
    this.#line.turns.giveBack()
  }
}
