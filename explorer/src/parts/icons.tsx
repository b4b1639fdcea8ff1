import type { ReactNode, SVGProps } from "react"

/* Icons of 16 by 16, drawn with lines in the colour of the text. They are hidden from screen readers: texts beside them say the same. */

type IconProps = SVGProps<SVGSVGElement>

function icon(shape: ReactNode) {
  return function Icon(props: IconProps) {
    return (
      <svg
        width="16"
        height="16"
        viewBox="0 0 16 16"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        {...props}
      >
        {shape}
      </svg>
    )
  }
}

export const HomeIcon = icon(<path d="M2.5 7.5 8 2.75l5.5 4.75M4 6.5v6.75h8V6.5" />)
export const SearchIcon = icon(
  <>
    <circle cx="7" cy="7" r="4.25" />
    <path d="m10.25 10.25 3.25 3.25" />
  </>,
)
export const BulkIcon = icon(
  <path d="M6.5 4h7M6.5 8h7M6.5 12h7M2.5 4l.75.75L4.5 3.25M2.5 8l.75.75L4.5 7.25M2.5 12l.75.75L4.5 11.25" />,
)
export const MineIcon = icon(<path d="M2.5 5.5h11v7.75h-11zM4 3h8M6.5 8.5h3" />)
export const WaveIcon = icon(
  <path d="M1.5 6c1.6 0 1.6-1.5 3.25-1.5S6.4 6 8 6s1.6-1.5 3.25-1.5S12.9 6 14.5 6M1.5 11c1.6 0 1.6-1.5 3.25-1.5S6.4 11 8 11s1.6-1.5 3.25-1.5S12.9 11 14.5 11" />,
)
export const CapsuleIcon = icon(
  <>
    <rect x="2.5" y="4.75" width="11" height="6.5" rx="3.25" />
    <path d="M8 4.75v6.5" />
  </>,
)
export const PipelineIcon = icon(
  <>
    <circle cx="3.5" cy="8" r="1.75" />
    <circle cx="12.5" cy="4" r="1.75" />
    <circle cx="12.5" cy="12" r="1.75" />
    <path d="M5.25 8h2.5c1.5 0 1-4 3-4M7.75 8c1.5 0 1 4 3 4" />
  </>,
)
export const DataIcon = icon(
  <>
    <ellipse cx="8" cy="4" rx="5" ry="1.75" />
    <path d="M3 4v8c0 1 2.2 1.75 5 1.75S13 13 13 12V4M3 8c0 1 2.2 1.75 5 1.75S13 9 13 8" />
  </>,
)
export const CheckIcon = icon(<path d="m3.5 8.5 3 3 6-7" />)
export const CrossIcon = icon(<path d="m4 4 8 8M12 4l-8 8" />)
export const WarningIcon = icon(<path d="M8 2.5 14.25 13H1.75zM8 6.5v3M8 11.25v.01" />)
export const StopIcon = icon(<rect x="4" y="4" width="8" height="8" rx="1" />)
export const BusyIcon = icon(
  <>
    <circle cx="8" cy="8" r="5.5" opacity="0.3" />
    <path d="M8 2.5A5.5 5.5 0 0 1 13.5 8" />
  </>,
)
export const SunIcon = icon(
  <>
    <circle cx="8" cy="8" r="2.75" />
    <path d="M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7" />
  </>,
)
export const MoonIcon = icon(<path d="M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5Z" />)
export const UserIcon = icon(
  <>
    <circle cx="8" cy="5.5" r="2.5" />
    <path d="M3 13.25c.5-2.5 2.5-3.75 5-3.75s4.5 1.25 5 3.75" />
  </>,
)
export const LinkIcon = icon(<path d="M6.5 3H3v10h10V9.5M9.5 3H13v3.5M13 3 7.5 8.5" />)
export const MoreIcon = icon(<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" strokeWidth="2.25" />)
export const DotIcon = icon(<circle cx="8" cy="8" r="2" />)
export const ChevronIcon = icon(<path d="m6 3.5 4.5 4.5L6 12.5" />)
export const DownloadIcon = icon(<path d="M8 2.5v7.25M4.75 6.75 8 10l3.25-3.25M3 13.25h10" />)
export const RunIcon = icon(<path d="M4.5 3v10l8.5-5z" />)
export const FolderIcon = icon(<path d="M2 4.25h4l1.5 1.5H14v7H2z" />)
export const FileIcon = icon(<path d="M4 2.25h5l3 3v8.5H4zM9 2.25v3h3" />)
export const LockIcon = icon(
  <>
    <rect x="3.5" y="7" width="9" height="6.5" rx="1" />
    <path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2" />
  </>,
)
