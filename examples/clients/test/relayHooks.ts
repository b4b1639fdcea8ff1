import { registerHooks } from "node:module"
import { fileURLToPath } from "node:url"
import { transformSync } from "@babel/core"

/** Replaces graphql`…` by the output of relay-compiler, with Relay's Babel plugin, as an app's bundler does. */
registerHooks({
  resolve: (specifier, context, next) => next(specifier.endsWith(".graphql") ? `${specifier}.ts` : specifier, context),
  load(address, context, next) {
    if (!address.includes("/src/relay/")) return next(address, context)
    const loaded = next(address, { ...context, format: "module-typescript" })
    const { code } =
      transformSync(String(loaded.source), {
        filename: fileURLToPath(address),
        configFile: false,
        plugins: [
          ["relay", { eagerEsModules: true }],
          ["@babel/transform-react-jsx", { runtime: "automatic" }],
        ],
        presets: ["@babel/typescript"],
      }) ?? {}
    return { format: "module", source: code ?? "", shortCircuit: true }
  },
})
