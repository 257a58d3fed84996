{{- define "loco.labels" -}}
app.kubernetes.io/name: loco
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* Of one component: (list $ "loco-api") */ -}}
{{- define "loco.selector" -}}
app.kubernetes.io/name: loco
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- /* What is not in a namespace is told apart by the release's. */ -}}
{{- define "loco.clusterName" -}}
loco-api-{{ .Release.Namespace }}
{{- end -}}

{{- define "loco.serviceAccountUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:loco-api
{{- end -}}

{{- define "loco.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "loco.apiHost" -}}
loco.{{ .Values.baseDomain }}
{{- end -}}

{{- define "loco.externalUrl" -}}
{{- $scheme := ternary "https" "http" .Values.gateway.https.enabled -}}
{{ .Values.externalUrl | default (printf "%s://%s" $scheme (include "loco.apiHost" .)) | trimSuffix "/" }}
{{- end -}}

{{- define "loco.gatewayNamespace" -}}
{{ .Values.gateway.namespace | default .Release.Namespace }}
{{- end -}}

{{- define "loco.registryHost" -}}
{{- if .Values.registry.host -}}
{{ .Values.registry.host }}
{{- else -}}
registry.{{ .Values.baseDomain }}{{ with (urlParse (include "loco.externalUrl" .)).host | regexFind ":[0-9]+$" }}{{ . }}{{ end }}
{{- end -}}
{{- end -}}

{{- /* The registry's name without its port; empty where it is an address, which no route can have. */ -}}
{{- define "loco.registryRoute" -}}
{{- $name := regexReplaceAll ":[0-9]+$" (include "loco.registryHost" .) "" -}}
{{- if and .Values.registry.bundled (not (regexMatch "^[0-9.]+$" $name)) (ne $name "localhost") -}}{{ $name }}{{- end -}}
{{- end -}}

{{- define "loco.registryInternal" -}}
{{- if .Values.registry.bundled -}}http://loco-registry.{{ .Release.Namespace }}.svc:5000{{- else -}}{{ .Values.registry.url }}{{- end -}}
{{- end -}}

{{- define "loco.keysSecret" -}}
{{ .Values.keys.existingSecret | default "loco-keys" }}
{{- end -}}

{{- define "loco.storeSecret" -}}
{{- if .Values.postgres.bundled -}}loco-store{{- else -}}{{ required "postgres.existingSecret is needed with postgres.bundled: false" .Values.postgres.existingSecret }}{{- end -}}
{{- end -}}

{{- /* Pods: restricted. (list USER) */ -}}
{{- define "loco.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ index . 0 }}
runAsGroup: {{ index . 0 }}
fsGroup: {{ index . 0 }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "loco.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* Peers of a NetworkPolicy: where the Gateway's requests come from. (list . NAMESPACES) */ -}}
{{- define "loco.fromGateway" }}
{{- range index . 1 }}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ . }}}}
{{- end }}
{{- range (index . 0).Values.gateway.networks }}
- ipBlock: {cidr: {{ . }}}
{{- end }}
{{- end }}
