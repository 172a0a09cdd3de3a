/* SPDX-License-Identifier: BSD-3-Clause */
/* One numeric address out of what people write and what this host has. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_private.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define NAMES_MAX 64 /* interfaces among which a near name is looked for */

/* What was asked for, taken apart. */
struct wish {
	const char *text;
	bool any, network;
	int family; /* of an address or network; 0: text is the name of an interface */
	uint8_t addr[16];
	unsigned prefix; /* bits that must agree */
};

static unsigned address_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static int parse_numeric(const char *text, struct wish *w)
{
	if (inet_pton(AF_INET, text, w->addr) == 1)
		w->family = AF_INET;
	else if (inet_pton(AF_INET6, text, w->addr) == 1)
		w->family = AF_INET6;
	else
		return -EINVAL;
	w->prefix = address_bits(w->family);
	return 0;
}

static int parse_wish(const char *text, struct wish *w, dvm_error_t *err)
{
	char head[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	uint64_t prefix;

	*w = (struct wish){ .text = text, .any = !text[0], .network = slash };
	if (!slash) {
		parse_numeric(text, w); /* else it is a name */
		return 0;
	}
	snprintf(head, sizeof head, "%.*s", (int)(slash - text), text);
	if (parse_numeric(head, w) < 0 ||
	    dvmi_text_u64(slash + 1, 0, address_bits(w->family), &prefix) < 0)
		return dvmi_error_set(err, -EINVAL, "\"%s\" is not a network such as 10.0.0.0/24",
				      text);
	w->prefix = (unsigned)prefix;
	return 0;
}

static bool same_network(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes))
		return false;
	return !rest || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

static bool is_loopback(const struct dvmd_ifaddr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == AF_INET ? a->addr[0] == 127 : !memcmp(a->addr, one, 16);
}

/* Useless to others without the name of our interface. */
static bool is_link_local(const struct dvmd_ifaddr *a)
{
	if (a->family == AF_INET)
		return a->addr[0] == 169 && a->addr[1] == 254;
	return a->addr[0] == 0xfe && (a->addr[1] & 0xc0) == 0x80;
}

static bool matches(const struct dvmd_ifaddr *a, const struct wish *w)
{
	if (w->any)
		return !is_loopback(a) && !is_link_local(a);
	if (!w->family)
		return !strcmp(a->name, w->text) && !(a->family == AF_INET6 && is_link_local(a));
	return a->family == w->family && same_network(a->addr, w->addr, w->prefix);
}

static void format(const struct dvmd_ifaddr *a, char out[INET6_ADDRSTRLEN])
{
	inet_ntop(a->family, a->addr, out, INET6_ADDRSTRLEN);
}

/* "eth0 10.0.0.5, eth1 10.1.0.5" of the addresses that match (all, if W is NULL). */
static void describe(const struct dvmd_ifaddr *v, size_t n, const struct wish *w, int family,
		     char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	size_t used = 0;

	out[0] = 0;
	for (size_t i = 0; i < n && used < size; i++) {
		if (w && (!matches(&v[i], w) || v[i].family != family))
			continue;
		format(&v[i], text);
		used += (size_t)snprintf(out + used, size - used, "%s%s %s", used ? ", " : "",
					 v[i].name, text);
	}
}

static int no_such_interface(const struct dvmd_ifaddr *v, size_t n, const char *name,
			     const char *all, dvm_error_t *err)
{
	const char *names[NAMES_MAX];
	size_t count = n < NAMES_MAX ? n : NAMES_MAX;

	for (size_t i = 0; i < count; i++)
		names[i] = v[i].name;
	const char *near = dvmi_text_nearest(name, names, count);
	if (near && strcmp(near, name))
		return dvmi_error_set(err, -EADDRNOTAVAIL,
				      "no interface \"%s\" with an address; did you mean %s? This "
				      "host has: %s",
				      name, near, all);
	return dvmi_error_set(err, -EADDRNOTAVAIL,
			      "no interface \"%s\" with an address; this host has: %s", name, all);
}

static int none_matches(const struct dvmd_ifaddr *v, size_t n, const struct wish *w,
			dvm_error_t *err)
{
	char all[256];

	describe(v, n, NULL, 0, all, sizeof all);
	if (w->any)
		return dvmi_error_set(err, -EADDRNOTAVAIL,
				      "this host has no address that others can reach; for a "
				      "machine within it set interface to 127.0.0.1");
	if (!w->family)
		return no_such_interface(v, n, w->text, all, err);
	return dvmi_error_set(err, -EADDRNOTAVAIL, "%s %s; this host has: %s", w->text,
			      w->network ? "holds no address of this host"
					 : "is not an address of this host",
			      all);
}

/* How many addresses of FAMILY match, repetitions aside, and the first of them. */
static size_t count_matches(const struct dvmd_ifaddr *v, size_t n, const struct wish *w, int family,
			    const struct dvmd_ifaddr **first)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i].family != family || !matches(&v[i], w))
			continue;
		if (found && !memcmp(v[i].addr, (*first)->addr, address_bits(family) / 8))
			continue;
		if (!found++)
			*first = &v[i];
	}
	return found;
}

/* All of 127/8 is this host's, listed or not. */
static bool is_explicit_loopback(const struct wish *w)
{
	return w->family == AF_INET && !w->network && w->addr[0] == 127;
}

int dvmd_conf_pick(const struct dvmd_ifaddr *v, size_t n, const char *interface,
		   char out[INET6_ADDRSTRLEN], dvm_error_t *err)
{
	const struct dvmd_ifaddr *first = NULL;
	int family = AF_INET;
	struct wish w;
	char list[256];
	int rc = parse_wish(interface, &w, err);

	if (rc < 0)
		return rc;
	if (is_explicit_loopback(&w)) {
		inet_ntop(AF_INET, w.addr, out, INET6_ADDRSTRLEN);
		return 0;
	}
	size_t found = count_matches(v, n, &w, family, &first);
	if (!found)
		found = count_matches(v, n, &w, family = AF_INET6, &first);
	if (!found)
		return none_matches(v, n, &w, err);
	if (found == 1) {
		format(first, out);
		return 0;
	}
	describe(v, n, &w, family, list, sizeof list);
	return dvmi_error_set(err, -ENOTUNIQ,
			      "%s has several addresses: %s; set interface to one of them",
			      w.any ? "this host" : interface, list);
}

static bool take(struct dvmd_ifaddr *to, const struct ifaddrs *from)
{
	if (!from->ifa_addr || !(from->ifa_flags & IFF_UP))
		return false;
	to->family = from->ifa_addr->sa_family;
	snprintf(to->name, sizeof to->name, "%s", from->ifa_name);
	if (to->family == AF_INET)
		memcpy(to->addr, &((struct sockaddr_in *)from->ifa_addr)->sin_addr, 4);
	else if (to->family == AF_INET6)
		memcpy(to->addr, &((struct sockaddr_in6 *)from->ifa_addr)->sin6_addr, 16);
	else
		return false;
	return true;
}

int dvmd_conf_address(const char *interface, char out[INET6_ADDRSTRLEN], dvm_error_t *err)
{
	struct ifaddrs *all;
	size_t n = 0, count = 0;

	if (getifaddrs(&all) < 0)
		return dvmi_error_code(err, -errno, "addresses of this host");
	for (const struct ifaddrs *i = all; i; i = i->ifa_next)
		count++;
	struct dvmd_ifaddr *v = calloc(count + 1, sizeof *v);
	for (const struct ifaddrs *i = all; v && i; i = i->ifa_next)
		n += take(&v[n], i);
	freeifaddrs(all);
	int rc = v ? dvmd_conf_pick(v, n, interface, out, err)
		   : dvmi_error_code(err, -ENOMEM, "addresses of this host");
	free(v);
	return rc;
}
