import type { Pool } from "undici"
import { type Breaker, suspended } from "./breaker.ts"
import { type Exchange, type ExchangeError, exchange, type HttpRequest, type Receiver, type Reply } from "./exchange.ts"
import type { Flight } from "./singleFlight.ts"
import type { Turns, Waiting } from "./turns.ts"

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
  readonly #credential: string
  readonly #request: HttpRequest
  readonly #timeoutMs: number

  constructor(line: Line, flight: Flight, credential: string, request: HttpRequest, timeoutMs: number) {
    this.#line = line
    this.#flight = flight
    this.#credential = credential
    this.#request = request
    this.#timeoutMs = timeoutMs
  }

  begin(): void {
    const { turns, breaker } = this.#line
    if (breaker.isOpen) this.#flight.failed(suspended())
    else if (turns.take()) this.go()
    else {
      const full = turns.wait(this.#credential, this)
      if (full === undefined) this.#flight.begun(this)
      else this.#flight.failed(full)
    }
  }

  /** Gives up in line. */
  abort(): boolean {
    this.#line.turns.leave(this.#credential, this)
    return false
  }

  go(): void {
    const { pool, turns, breaker } = this.#line
    if (breaker.isOpen) {
      turns.giveBack()
      this.#flight.failed(suspended())
      return
    }
    this.#flight.sent()
    this.#flight.begun(exchange(pool, this.#request, this.#timeoutMs, this))
  }

  answered(reply: Reply): void {
    this.#line.turns.giveBack()
    this.#line.breaker.answered(reply)
    this.#flight.answered(reply)
  }

  failed(error: ExchangeError): void {
    this.#line.turns.giveBack()
    this.#line.breaker.failed(error)
    this.#flight.failed(error)
  }
}
