import { PageTitle } from "../../parts/PageTitle.tsx"

export default function HomePage() {
  return <PageTitle title="Home" />
}
