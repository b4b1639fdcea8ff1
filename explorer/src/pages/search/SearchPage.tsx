import { PageTitle } from "../../parts/PageTitle.tsx"

export default function SearchPage() {
  return <PageTitle title="Search" />
}
