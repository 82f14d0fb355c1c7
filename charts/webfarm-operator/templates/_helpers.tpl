{{- define "webfarm-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "webfarm-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "webfarm-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "webfarm-operator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "webfarm-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "webfarm-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is required when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "webfarm-operator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "webfarm-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "webfarm-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "webfarm-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "webfarm-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* What the operator may do in every namespace that it serves. There is no "*" and no list of Secrets. */}}
{{- define "webfarm-operator.rules" -}}
# The resources that it serves. patch: the finalizer webfarm.dev/servers.
- apiGroups: [webfarm.dev]
  resources: [webfarms]
  verbs: [get, list, watch, patch]
# What it reports about them; finalizers, where the cluster enforces rights on them.
- apiGroups: [webfarm.dev]
  resources: [webfarms/status, webfarms/finalizers]
  verbs: [patch]
# Which pods live. get: the live read before a row is removed.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- if .Values.readinessGate.enabled }}
# The readiness gate webfarm.dev/registered (values: readinessGate.enabled).
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
{{- end }}
# The selector and the size of a member's workload.
- apiGroups: [apps]
  resources: [deployments, statefulsets, replicasets, daemonsets]
  verbs: [get]
{{- range .Values.extraScaleKinds }}
# The same of a kind that values: extraScaleKinds names.
- apiGroups: [{{ .group | quote }}]
  resources: [{{ printf "%s/scale" .plural | quote }}]
  verbs: [get]
{{- end }}
# Connection strings, logins and certificate authorities, by the names that WebFarms give. Never list or watch.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
# Certificate authorities, by the names that WebFarms give.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
# The UID of a WebFarm's namespace, which is part of the mark in its rows.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# Events on pods and WebFarms.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.serviceAccountTokens }}
{{- if has (include "webfarm-operator.serviceAccountName" .) .Values.serviceAccountTokens }}
{{- fail "serviceAccountTokens must not name the operator's own ServiceAccount: no WebFarm may log in as the operator" }}
{{- end }}
# The client ID and the tenant in the annotations of the ServiceAccounts that values: serviceAccountTokens names.
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: {{ .Values.serviceAccountTokens | toJson }}
  verbs: [get]
# Tokens for Microsoft Entra, of the same ServiceAccounts.
- apiGroups: [""]
  resources: [serviceaccounts/token]
  resourceNames: {{ .Values.serviceAccountTokens | toJson }}
  verbs: [create]
{{- end }}
{{- end }}
