/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One address type for both families: IPv4 is stored as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct addr {
	uint8_t bytes[16]; /* network byte order */
};

enum { ADDR_STR_SIZE = 46, ADDR_PORT_STR_SIZE = 46 + 8 };

/*
 * Parses an IPv4 or IPv6 address as Kubernetes writes it: no port, no brackets, no zone. IPv4 with
 * leading zeros is decimal, as kube-proxy reads what old API servers took (ParseIPSloppy). An
 * IPv4-mapped IPv6 text gives the IPv4 address.
 * Returns 0, or -EINVAL with *ret untouched.
 */
int addr_from_str(const char *text, struct addr *ret);

/* Writes the address as text (IPv4 dotted, IPv6 as RFC 5952). Returns buf. */
const char *addr_to_str(const struct addr *addr, char buf[static ADDR_STR_SIZE]);

/* Writes "10.0.0.1:80" or "[2001:db8::1]:80". Returns buf. */
const char *addr_port_to_str(const struct addr *addr, uint16_t port,
			     char buf[static ADDR_PORT_STR_SIZE]);

bool addr_is_v4(const struct addr *addr);
bool addr_equal(const struct addr *a, const struct addr *b);

/*
 * Whether a pod or a service may have this address. The API server refuses the same ones in
 * Endpoints: unspecified, loopback, link-local, multicast. Returns NULL if it may, else a word for
 * what is wrong ("loopback", …), static.
 */
const char *addr_unusable(const struct addr *addr);

/* Fills *ret_sa (AF_INET for IPv4, else AF_INET6) and returns its length. */
socklen_t addr_to_sockaddr(const struct addr *addr, uint16_t port, struct sockaddr_storage *ret_sa);
