{{- define "orderonce.name" -}}
{{- printf "%s" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "orderonce.labels" -}}
app.kubernetes.io/name: orderonce
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "orderonce.selector" -}}
app.kubernetes.io/name: orderonce
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "orderonce.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "orderonce.name" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{/* Security context of each pod: an unprivileged user, and the default seccomp profile. */}}
{{- define "orderonce.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "orderonce.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The value of a setting as text. Helm reads numbers as floats and prints 1500000 as 1.5e+06. */}}
{{- define "orderonce.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ printf "%.0f" . | quote }}
{{- else -}}
{{ . | toString | quote }}
{{- end -}}
{{- end -}}

{{- define "orderonce.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/* Environment of each container, in addition to the ConfigMap. */}}
{{- define "orderonce.env" -}}
{{- with .Values.secrets.kafkaPassword }}
{{- if .name }}
- name: KAFKA_SASL_PASSWORD
  valueFrom:
    secretKeyRef: { name: {{ .name }}, key: {{ .key }} }
{{- end }}
{{- end }}
{{- with .Values.secrets.otlpHeaders }}
{{- if .name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef: { name: {{ .name }}, key: {{ .key }} }
{{- end }}
{{- end }}
{{- end -}}

{{- define "orderonce.servingEnv" -}}
- name: HOSTNAME
  valueFrom:
    fieldRef: { fieldPath: metadata.name }
{{- if .Values.secrets.apiKeys.name }}
- { name: API_KEYS_FILE, value: /etc/orderonce/keys/keys.json }
{{- end }}
{{- with .Values.secrets.tls }}
{{- if .name }}
- { name: TLS_CERT_FILE, value: /etc/orderonce/tls/tls.crt }
- { name: TLS_KEY_FILE, value: /etc/orderonce/tls/tls.key }
{{- if .mutualTls }}
- { name: TLS_CLIENT_CA_FILE, value: /etc/orderonce/tls/ca.crt }
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "orderonce.mounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if .Values.secrets.apiKeys.name }}
- { name: keys, mountPath: /etc/orderonce/keys, readOnly: true }
{{- end }}
{{- if .Values.secrets.tls.name }}
- { name: tls, mountPath: /etc/orderonce/tls, readOnly: true }
{{- end }}
{{- include "orderonce.trustMount" . }}
{{- end -}}

{{- define "orderonce.trustMount" -}}
{{- if .Values.secrets.trust.name }}
- { name: trust, mountPath: /etc/orderonce/trust, readOnly: true }
{{- end }}
{{- end -}}

{{- define "orderonce.trustVolume" -}}
{{- if .Values.secrets.trust.name }}
- name: trust
  secret: { secretName: {{ .Values.secrets.trust.name }}, defaultMode: 0440 }
{{- end }}
{{- end -}}

{{- define "orderonce.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 64Mi }
{{- if .Values.secrets.apiKeys.name }}
- name: keys
  secret: { secretName: {{ .Values.secrets.apiKeys.name }}, defaultMode: 0440 }
{{- end }}
{{- if .Values.secrets.tls.name }}
- name: tls
  secret: { secretName: {{ .Values.secrets.tls.name }}, defaultMode: 0440 }
{{- end }}
{{- include "orderonce.trustVolume" . }}
{{- end -}}

{{/*
Arguments: root. Readiness fails while Kafka or PostgreSQL does not answer. Liveness does not fail
then, because a restart of the pod would not help.
*/}}
{{- define "orderonce.probes" -}}
{{- $scheme := ternary "HTTPS" "HTTP" (ne .root.Values.secrets.tls.name "") -}}
startupProbe:
  httpGet: { path: /health/live, port: http, scheme: {{ $scheme }} }
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: { path: /health/ready, port: http, scheme: {{ $scheme }} }
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: { path: /health/live, port: http, scheme: {{ $scheme }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}
