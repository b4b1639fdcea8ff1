{{- define "gateway.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* A value of `settings` as text. Helm reads numbers as floating-point numbers, and would write 3.3554432e+07. */ -}}
{{- define "gateway.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- /* Seconds that a stopping gateway may take: the deadline of requests and 9 s, as the documentation says, and one for rounding. */ -}}
{{- define "gateway.stopSeconds" -}}
{{- $deadlineMs := .Values.settings.REQUEST_DEADLINE_MS | default 30000 | int64 -}}
{{- add (div (add $deadlineMs 999) 1000) 10 -}}
{{- end -}}

{{- /*
The TCP ports of all addresses in `settings` that the gateway calls, and networkPolicy.egressPorts, as a JSON list of numbers. Those of
CORS_ORIGINS are not called.
*/ -}}
{{- define "gateway.egressPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egressPorts -}}
{{- $ports = append $ports (int64 .) -}}
{{- end -}}
{{- range $name, $value := .Values.settings -}}
{{- if and (kindIs "string" $value) (ne $name "CORS_ORIGINS") -}}
{{- range $address := splitList "," $value -}}
{{- with regexFind "^[a-z]+://[^/?#]+" (trim $address) -}}
{{- $explicit := regexFind ":[0-9]+$" . | trimPrefix ":" -}}
{{- if $explicit -}}
{{- $ports = append $ports (int64 $explicit) -}}
{{- else -}}
{{- $usual := dict "https" 443 "http" 80 "redis" 6379 "rediss" 6379 -}}
{{- with get $usual (splitList "://" . | first) -}}
{{- $ports = append $ports (int64 .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
