/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of a request, wherever the driver has put the borders between its buffers. */
#include <string.h>

#include "kvm-node/virtq.h"

enum how { READ, WRITE, FILL };

static void piece(enum how how, char *guest, char *buf, int byte, size_t n)
{
	if (how == READ)
		memcpy(buf, guest, n);
	else if (how == WRITE)
		memcpy(guest, buf, n);
	else
		memset(guest, byte, n);
}

static size_t move(enum how how, const struct iovec *iov, unsigned n, size_t at, char *buf,
		   int byte, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		if (at >= iov[i].iov_len) {
			at -= iov[i].iov_len;
			continue;
		}
		size_t some = iov[i].iov_len - at < len - done ? iov[i].iov_len - at : len - done;
		piece(how, (char *)iov[i].iov_base + at, buf ? buf + done : NULL, byte, some);
		done += some;
		at = 0;
	}
	return done;
}

size_t vmm_iov_read(const struct iovec *iov, unsigned n, size_t at, void *buf, size_t len)
{
	return move(READ, iov, n, at, buf, 0, len);
}

size_t vmm_iov_write(const struct iovec *iov, unsigned n, size_t at, const void *buf, size_t len)
{
	return move(WRITE, iov, n, at, (char *)(uintptr_t)buf, 0, len);
}

size_t vmm_iov_fill(const struct iovec *iov, unsigned n, size_t at, int byte, size_t len)
{
	return move(FILL, iov, n, at, NULL, byte, len);
}

unsigned vmm_iov_cut(const struct iovec *iov, unsigned n, size_t at, size_t len, struct iovec *out)
{
	unsigned got = 0;

	for (unsigned i = 0; i < n && len; i++) {
		if (at >= iov[i].iov_len) {
			at -= iov[i].iov_len;
			continue;
		}
		size_t some = iov[i].iov_len - at < len ? iov[i].iov_len - at : len;
		out[got++] =
			(struct iovec){ .iov_base = (char *)iov[i].iov_base + at, .iov_len = some };
		len -= some;
		at = 0;
	}
	return got;
}
