import { apiSdl } from "../src/graph/federation/sdl.ts"
import { schema } from "../src/graph/schema.ts"

process.stdout.write(apiSdl(schema))
