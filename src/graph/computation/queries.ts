import { defineLookups } from "../idQueries.ts"
import { Computation, computationById } from "./type.ts"

defineLookups({ one: "computation", many: "computations", type: Computation, loader: computationById })
