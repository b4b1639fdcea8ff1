/**
 * The client's headers that are passed on to a subgraph. Only the gateway gets the caller's Code Ocean token.
 * @param name the subgraph's name
 * @param received the client's headers, with names in lower case
 */
export function headersFor(name, received) {
  if (name !== "codeocean") return {}
  const passed = ["authorization", "agent-id", "x-request-id"]
  return Object.fromEntries(passed.flatMap((header) => (received[header] ? [[header, received[header]]] : [])))
}
