/**
 * Which of the client's headers go on to a subgraph: the caller's Code Ocean token is the gateway's business alone.
 * @param name the subgraph's name
 * @param received the client's headers, their names in small letters
 */
export function headersFor(name, received) {
  if (name !== "codeocean") return {}
  const passed = ["authorization", "agent-id", "x-request-id"]
  return Object.fromEntries(passed.flatMap((header) => (received[header] ? [[header, received[header]]] : [])))
}
