# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Starts and ends the parts of the control plane: etcd, apiserver, kcm (kube-controller-manager).
# Sourced after instance.sh.
# shellcheck disable=SC2153  # the settings come from instance.sh

PARTS=(etcd apiserver kcm)

# Controllers that need real nodes, clouds or disks are off: the nodes stay Ready without a kubelet that
# reports.
KCM_CONTROLLERS='*,-nodelifecycle,-nodeipam,-route,-cloud-node-lifecycle,-attachdetach'
KCM_CONTROLLERS+=',-persistentvolume-binder,-persistentvolume-expander,-ttl,-bootstrapsigner,-tokencleaner'

# The apiserver's address behind the Service default/kubernetes: one of the namespace's own, so that a
# connection to it never leaves the machine.
advertise() {
	local own
	own=$(ip -4 -o address show scope global | awk 'NR == 1 {sub("/.*", "", $4); print $4}')
	echo "${own:-192.168.77.1}"
}

# In a namespace without a way out it listens there too, elsewhere on loopback only.
bind_address() {
	if isolated; then echo 0.0.0.0; else echo 127.0.0.1; fi
}

# wait_for PART SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local part=$1 until=$((SECONDS + $2))
	shift 2
	until "$@"; do
		if ! alive "$part" || [ $SECONDS -ge $until ]; then died "$part"; fi
		sleep 0.1
	done
}

# port_free PORT: ends the command when another process has it. A process that was killed may show as dead
# while its last threads still end.
port_free() {
	local until=$((SECONDS + 5))
	while [ -n "$(ss -Hltn "sport = :$1")" ]; do
		[ $SECONDS -lt $until ] || die "port $1 is in use (set SWERVE_KUBE_PORT, see README.md)"
		sleep 0.05
	done
}

# etcd_call PATH [JSON]
etcd_call() {
	curl -sS --noproxy '*' --max-time 10 "http://127.0.0.1:$ETCD_PORT$1" ${2:+-d "$2"} 2>/dev/null
}

etcd_ready() {
	etcd_call /health | grep -q true
}

apiserver_ready() {
	[ "$(api GET /readyz 2>/dev/null)" = ok ]
}

kcm_ready() {
	[ "$(api_code GET /api/v1/namespaces/default/serviceaccounts/default)" = 200 ]
}

start_etcd() {
	local me=http://127.0.0.1:$ETCD_PORT peer=http://127.0.0.1:$PEER_PORT
	! alive etcd || return 0
	port_free "$ETCD_PORT"
	port_free "$PEER_PORT"
	# shellcheck disable=SC2086  # the extra flags are words
	spawn etcd "$CACHE/bin/etcd" --name "$NAME" --data-dir "$RUN/etcd" --unsafe-no-fsync \
		--listen-client-urls "$me" --advertise-client-urls "$me" --listen-peer-urls "$peer" \
		--initial-advertise-peer-urls "$peer" --initial-cluster "$NAME=$peer" ${SWERVE_KUBE_ETCD_FLAGS:-}
	wait_for etcd 20 etcd_ready
}

start_apiserver() {
	local pki=$RUN/pki
	! alive apiserver || return 0
	port_free "$API_PORT"
	# shellcheck disable=SC2086
	spawn apiserver "$CACHE/bin/kube-apiserver" --bind-address="$(bind_address)" --secure-port="$API_PORT" \
		--insecure-port=0 --advertise-address="$(advertise)" --etcd-servers="http://127.0.0.1:$ETCD_PORT" \
		--cert-dir="$pki" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
		--client-ca-file="$RUN/ca.crt" --token-auth-file="$pki/tokens.csv" --anonymous-auth=false \
		--authorization-mode=Node,RBAC --service-account-issuer=https://kubernetes.default.svc \
		--service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
		--service-cluster-ip-range="$SERVICE_CIDR" --allow-privileged=true --v=1 ${SWERVE_KUBE_APISERVER_FLAGS:-}
	wait_for apiserver 60 apiserver_ready
}

start_kcm() {
	local pki=$RUN/pki
	! alive kcm || return 0
	port_free "$KCM_PORT"
	# shellcheck disable=SC2086
	spawn kcm "$CACHE/bin/kube-controller-manager" --bind-address=127.0.0.1 --secure-port="$KCM_PORT" \
		--port=0 --kubeconfig="$pki/kcm.conf" --authentication-kubeconfig="$pki/kcm.conf" \
		--authorization-kubeconfig="$pki/kcm.conf" --cert-dir="$pki" --use-service-account-credentials=true \
		--service-account-private-key-file="$pki/sa.key" --root-ca-file="$RUN/ca.crt" \
		--cluster-signing-cert-file="$RUN/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
		--leader-elect=false --controllers="$KCM_CONTROLLERS" --kube-api-qps=500 --kube-api-burst=1000 \
		--v=1 ${SWERVE_KUBE_KCM_FLAGS:-}
	wait_for kcm 60 kcm_ready
}
