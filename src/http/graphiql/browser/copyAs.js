// An operation as code. The code reads the token from the environment, so that no token is copied.

/** The languages of the menu. Each function gets the operation and returns the code. */
const languages = { curl: asCurl, Python: asPython, TypeScript: asTypeScript }

/**
 * @typedef {object} CopiedOperation
 * @property {string} url
 * @property {string} query
 * @property {string} variables JSON, or empty
 * @property {string | undefined} operationName if the document has several operations
 * @property {boolean} isSubscription
 */

/** The variables stay as they are written: parsed, large numbers would change. */
function asCurl({ url, query, variables, operationName, isSubscription }) {
  const body = [
    `"query": ${JSON.stringify(query)}`,
    ...(variables === "" ? [] : [`"variables": ${variables}`]),
    ...(operationName === undefined ? [] : [`"operationName": ${JSON.stringify(operationName)}`]),
  ]
  return `curl -s${isSubscription ? "N" : ""} '${url}' \\
  -H "Authorization: Bearer $CODEOCEAN_TOKEN" \\
  -H 'Content-Type: application/json' \\
${isSubscription ? "  -H 'Accept: text/event-stream' \\\n" : ""}  --data-binary @- <<'END_OF_BODY'
{${body.join(",\n ")}}
END_OF_BODY
`
}

function asPython({ url, query, variables, operationName, isSubscription }) {
  const body = [
    `"query": query`,
    ...(variables === "" ? [] : [`"variables": json.loads(variables)`]),
    ...(operationName === undefined ? [] : [`"operationName": ${JSON.stringify(operationName)}`]),
  ]
  const read = isSubscription
    ? `    for line in response:
        if line.startswith(b"data:") and line[5:].strip():
            print(json.dumps(json.loads(line[5:]), indent=2))`
    : "    print(json.dumps(json.load(response), indent=2))"
  return `import json
import os
import urllib.request

query = ${pythonText(query)}
${variables === "" ? "" : `variables = ${pythonText(variables)}\n`}
request = urllib.request.Request(
    ${JSON.stringify(url)},
    json.dumps({${body.join(", ")}}).encode(),
    {
        "Authorization": f"Bearer {os.environ['CODEOCEAN_TOKEN']}",
        "Content-Type": "application/json",
${isSubscription ? '        "Accept": "text/event-stream",\n' : ""}    },
)
with urllib.request.urlopen(request) as response:
${read}
`
}

/** A Python literal. Python reads all escapes of JSON. */
function pythonText(text) {
  const isPlain = text.includes("\n") && !/"""|\\|"$/.test(text)
  return isPlain ? `"""${text}"""` : JSON.stringify(text)
}

function asTypeScript({ url, query, variables, operationName, isSubscription }) {
  const body = ["query", ...(variables === "" ? [] : ["variables"])]
  if (operationName !== undefined) body.push(`operationName: ${JSON.stringify(operationName)}`)
  const read = isSubscription
    ? `let text = ""
for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
  const events = (text + chunk).split("\\n\\n")
  text = events.pop() ?? ""
  for (const event of events) {
    const data = event.split("\\n").find((line) => line.startsWith("data:"))?.slice("data:".length)
    if (data?.trim()) console.log(JSON.stringify(JSON.parse(data), null, 2))
  }
}`
    : "console.log(JSON.stringify(await response.json(), null, 2))"
  return `const query = \`${query.replace(/[`\\]|\$\{/g, "\\$&")}\`
${variables === "" ? "" : `const variables = ${variables}\n`}
const response = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: {
    Authorization: \`Bearer \${process.env.CODEOCEAN_TOKEN}\`,
    "Content-Type": "application/json",
${isSubscription ? '    Accept: "text/event-stream",\n' : ""}  },
  body: JSON.stringify({ ${body.join(", ")} }),
})
${read}
`
}

/** What is in the editors. Variables that are not JSON are left out. */
function operationIn({ queryEditor, variableEditor }) {
  const query = queryEditor?.getValue() ?? ""
  const { operations = [], operationName } = queryEditor ?? {}
  const chosen = operations.find(({ name }) => name?.value === operationName) ?? operations[0]
  return {
    url: location.origin + location.pathname,
    query,
    variables: jsonObject(variableEditor?.getValue() ?? ""),
    operationName: operations.length > 1 ? chosen?.name?.value : undefined,
    isSubscription: chosen?.operation === "subscription",
  }
}

function jsonObject(text) {
  try {
    return Object.keys(JSON.parse(text)).length > 0 ? text.trim() : ""
  } catch {
    return ""
  }
}

/** An address that opens GraphiQL with the operation. It contains no headers, and runs nothing. */
function linkTo({ url, query, variables }) {
  const parameters = new URLSearchParams({ query })
  if (variables !== "") parameters.set("variables", variables)
  return `${url}?${parameters}`
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // Without TLS, browsers offer only the old way.
    const area = document.createElement("textarea")
    area.value = text
    document.body.append(area)
    area.select()
    document.execCommand("copy")
    area.remove()
  }
}

/** The menu in GraphiQL's toolbar. */
function CopyMenu() {
  const { ToolbarMenu, useEditorContext } = GraphiQL.React
  const editors = useEditorContext({ nonNull: true })
  const [copied, setCopied] = React.useState()
  const item = (label, textOf) =>
    React.createElement(
      ToolbarMenu.Item,
      {
        key: label,
        onSelect: () => {
          copyText(textOf(operationIn(editors))).then(() => {
            setCopied(label)
            setTimeout(setCopied, 3_000)
          })
        },
      },
      label,
    )
  const icon = React.createElement(
    "svg",
    {
      viewBox: "0 0 16 16",
      className: "graphiql-toolbar-icon",
      fill: "none",
      stroke: "currentColor",
      "aria-hidden": true,
    },
    React.createElement("path", { d: "M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5", strokeWidth: 1.5 }),
  )
  return React.createElement(
    React.Fragment,
    null,
    React.createElement(
      ToolbarMenu,
      { label: "Copy as code", button: icon },
      ...Object.entries(languages).map(([name, textOf]) => item(`Copy as ${name}`, textOf)),
      item("Copy link", linkTo),
    ),
    React.createElement(
      "span",
      { role: "status", className: "copied" },
      copied && `${copied.slice("Copy ".length)}: copied`,
    ),
  )
}

Object.assign(globalThis, { CopyMenu })
