/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/srcaddr.h"
#include "libdvm/base/cleanup.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool parse(union address *out, const char *text)
{
	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(9);
		return true;
	}
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(9);
	return inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1;
}

static bool same(const union address *a, const union address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	return a->any.sa_family == AF_INET ?
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr :
		       !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr);
}

/* A datagram socket that is connected has been routed, and no packet has been sent. */
bool dvmd_srcaddr_is_default(const char *source, const char *address)
{
	union address from, to, chosen;
	socklen_t len = sizeof chosen;

	if (!parse(&from, source) || !parse(&to, address))
		return false;
	cleanup_fd int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, &to.any, sizeof to) < 0 ||
	    getsockname(fd, &chosen.any, &len) < 0)
		return false;
	return same(&from, &chosen);
}
