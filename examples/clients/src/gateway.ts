/** The gateway and the caller; by default those of `npm run demo`. */
export const url = process.env.GATEWAY_URL ?? "http://127.0.0.1:4000/graphql"
export const headers = { authorization: `Bearer ${process.env.GATEWAY_TOKEN ?? "cop_demo_ada"}` }
