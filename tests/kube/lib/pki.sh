# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Keys, certificates, static tokens and kubeconfigs of an instance. Sourced after instance.sh and
# control.sh, by `up` alone.

# authority FILE NAME: a CA as FILE.crt and FILE.key.
authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$2" \
		-addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
		-keyout "$1.key" -out "$1.crt" 2>/dev/null
}

# certificate FILE SUBJECT USAGE [SAN]: signed by the CA.
certificate() {
	local extensions
	printf -v extensions '%s\n' basicConstraints=CA:FALSE keyUsage=digitalSignature \
		"extendedKeyUsage=$3" ${4:+"subjectAltName=$4"}
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$1.key" 2>/dev/null |
		openssl x509 -req -CA ca.crt -CAkey ca.key -days 3650 -set_serial "0x$(openssl rand -hex 8)" \
			-extfile <(echo "$extensions") -out "$1.crt" 2>/dev/null
}

# static_token NAME USER GROUP: a line of tokens.csv and a file.
static_token() {
	local token
	token=$(openssl rand -hex 16)
	echo "$token,$2,$2,\"$3\"" >>tokens.csv
	echo "$token" >"../tokens/$1"
}

make_pki() {
	[ ! -f "$RUN/pki/complete" ] || return 0
	mkdir -p "$RUN/pki" "$RUN/tokens"
	(
		cd "$RUN/pki" || exit
		authority ca "swerve test CA"
		authority wrong-ca "another CA"
		certificate apiserver /CN=kube-apiserver serverAuth "DNS:kubernetes,DNS:kubernetes.default,\
DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$(first_ip),IP:$(advertise)"
		certificate kcm /CN=system:kube-controller-manager clientAuth
		certificate proxy /CN=system:kube-proxy clientAuth
		# A client by certificate, with the rights of the ServiceAccount.
		certificate swerve /CN=system:serviceaccount:kube-system:swerve clientAuth
		openssl genrsa -out sa.key 2048 2>/dev/null
		openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
		static_token admin admin system:masters
		static_token nobody nobody nobodies
		mv ca.crt wrong-ca.crt ..
		touch complete
	)
}

# The address of the Service default/kubernetes.
first_ip() {
	local net=${SERVICE_CIDR%/*}
	echo "${net%.*}.$((${net##*.} + 1))"
}

# kubeconfig FILE USER-AS-YAML [CA-FILE]
kubeconfig() {
	cat >"$1" <<-YAML
		apiVersion: v1
		kind: Config
		current-context: test
		clusters: [{name: test, cluster: {server: "$URL", certificate-authority: "${3:-$RUN/ca.crt}"}}]
		users: [{name: test, user: $2}]
		contexts: [{name: test, context: {cluster: test, user: test}}]
	YAML
}

component_configs() {
	local pki=$RUN/pki name
	for name in admin swerve swerve-noslices nobody; do
		kubeconfig "$RUN/$name.conf" "{tokenFile: \"$RUN/tokens/$name\"}"
	done
	kubeconfig "$RUN/swerve-cert.conf" "{client-certificate: \"$pki/swerve.crt\", client-key: \"$pki/swerve.key\"}"
	kubeconfig "$RUN/wrong-ca.conf" "{tokenFile: \"$RUN/tokens/swerve\"}" "$RUN/wrong-ca.crt"
	for name in kcm proxy; do
		kubeconfig "$pki/$name.conf" "{client-certificate: \"$pki/$name.crt\", client-key: \"$pki/$name.key\"}"
	done
}
