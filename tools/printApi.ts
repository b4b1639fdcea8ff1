import { apiSdl } from "../src/federation/sdl.ts"
import { schema } from "../src/schema.ts"

process.stdout.write(apiSdl(schema))
