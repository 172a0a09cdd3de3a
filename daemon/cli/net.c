/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/cli/net.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define D_MAX	  254u
#define NODES_PER 250u /* addresses 127.D.x.1 … 127.D.x.250 */

void cli_net_loopback(unsigned d, unsigned k, char out[CLI_ADDRESS_MAX])
{
	snprintf(out, CLI_ADDRESS_MAX, "127.%u.%u.%u", d, (k - 1) / NODES_PER,
		 (k - 1) % NODES_PER + 1);
}

bool cli_net_parse_loopback(const char *address, unsigned *d, unsigned *k)
{
	unsigned x, y;
	int n = 0;

	if (sscanf(address, "127.%u.%u.%u%n", d, &x, &y, &n) != 3 || address[n])
		return false;
	*k = x * NODES_PER + y;
	return *d >= 1 && *d <= D_MAX && y >= 1 && y <= NODES_PER;
}

unsigned cli_net_first_d(const char *machine, uint32_t uid)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *p = machine; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	for (int i = 0; i < 4; i++)
		h = (h ^ (uid >> (8 * i) & 0xff)) * 16777619u;
	return h % D_MAX + 1;
}

/* Could a daemon listen there? One that just ended does not count. */
static bool is_free(const char *address, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1;
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &sa.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	return fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0;
}

static bool all_free(unsigned d, unsigned n, uint16_t port)
{
	char address[CLI_ADDRESS_MAX];

	for (unsigned k = 1; k <= n; k++) {
		cli_net_loopback(d, k, address);
		if (!is_free(address, port))
			return false;
	}
	return true;
}

int cli_net_find_d(const char *machine, uint32_t uid, unsigned n, uint16_t port, dvm_error_t *err)
{
	unsigned first = cli_net_first_d(machine, uid);

	for (unsigned i = 0; i < D_MAX; i++) {
		unsigned d = (first - 1 + i) % D_MAX + 1;

		if (all_free(d, n, port))
			return (int)d;
	}
	return dvmi_error_set(err, -EADDRINUSE, "port %u is taken at every loopback address tried",
			      port);
}

/* ---- real interfaces ---- */

/* The kernel's own choice of a source address; nothing is sent. */
static int source_towards(const struct addrinfo *ai, char out[CLI_ADDRESS_MAX])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	cleanup_fd int fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	return getnameinfo((struct sockaddr *)&ss, len, out, CLI_ADDRESS_MAX, NULL, 0,
			   NI_NUMERICHOST) == 0
		       ? 0
		       : -EADDRNOTAVAIL;
}

static int address_towards(const char *peer, char out[CLI_ADDRESS_MAX], dvm_error_t *err)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM }, *list;
	int rc = getaddrinfo(peer, "9", &hints, &list);

	if (rc)
		return dvmi_error_set(err, -EHOSTUNREACH, "%s: %s", peer, gai_strerror(rc));
	rc = source_towards(list, out);
	freeaddrinfo(list);
	return rc < 0 ? dvmi_error_code(err, rc, "no way to %s", peer) : 0;
}

int cli_net_own_address(const char *interface, const char *peer, char out[CLI_ADDRESS_MAX],
			dvm_error_t *err)
{
	return interface ? dvmd_conf_address(interface, out, err) : address_towards(peer, out, err);
}

int cli_net_parse(const char *text, char address[CLI_ADDRESS_MAX * 4], uint16_t *port,
		  dvm_error_t *err)
{
	const char *end = *text == '[' ? strchr(text, ']') : strchr(text, ':');
	const char *start = text + (*text == '['), *colon = end;
	uint64_t n = *port;

	if (*text == '[' && !end)
		return dvmi_error_set(err, -EINVAL, "%s: expected [ADDRESS]:PORT", text);
	if (!end)
		end = text + strlen(text);
	if (*end == ']')
		colon = end[1] == ':' ? end + 1 : NULL;
	if (end == start || end - start >= CLI_ADDRESS_MAX * 4)
		return dvmi_error_set(err, -EINVAL, "%s: expected ADDRESS or ADDRESS:PORT", text);
	if (colon && dvmi_text_u64(colon + 1, 1, 65535, &n) < 0)
		return dvmi_error_set(err, -EINVAL, "%s: a port is a number from 1 to 65535", text);
	memcpy(address, start, (size_t)(end - start));
	address[end - start] = '\0';
	*port = (uint16_t)n;
	return 0;
}
