import { defineLookups } from "../lookup.ts"
import { Computation, computationById } from "./type.ts"

defineLookups({ one: "computation", many: "computations", type: Computation, loader: computationById })
