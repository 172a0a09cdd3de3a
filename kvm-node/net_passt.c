/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames through passt, a process that turns them into sockets of an ordinary user: a stream of
 * frames, each behind its length as 32 bits in network order.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvm-node/dev_net.h"
#include "libdvm/base/err.h"

enum {
	LENGTH = 4,
	FRONT = VMM_NET_HEADER - LENGTH, /* so that a packet's header fits before the first frame */
	ROOM = 1 << 18,
};

/*
 * passt would have 65520. The one of Debian 12 then waits for seconds whenever the guest's window
 * closes, which it does after a packet or two of that size.
 */
#define MTU "1500"

static int open_passt(struct vmm_netdev *d, dvm_error_t *err)
{
	static const char *const argv[] = { "passt", "--foreground", "--quiet", "--fd", "3", "--mtu",
					    MTU, NULL };
	int pair[2];

	if (!vmm_helper_found("passt"))
		return dvmi_error_set(err, -ENOENT, "--net user needs passt (Debian: passt)");
	d->in = malloc(FRONT + ROOM);
	d->out = malloc(LENGTH + VMM_NET_FRAME_MAX);
	if (!d->in || !d->out)
		return dvmi_error_code(err, -ENOMEM, "a network card");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return dvmi_error_code(err, -errno, "a socket for passt");
	d->fd = pair[0];
	fcntl(d->fd, F_SETFL, O_NONBLOCK);
	d->messages = memfd_create("passt", MFD_CLOEXEC);
	int rc = vmm_helper_start(&d->helper,
				  &(struct vmm_helper_program){ .argv = argv,
								.fd = pair[1],
								.messages = d->messages });
	close(pair[1]);
	return rc < 0 ? dvmi_error_code(err, rc, "passt") : 0;
}

/* Its last line, but those about a system log it cannot reach. */
static void reason(struct vmm_netdev *d, char *text, size_t size)
{
	char said[4096], *line, *rest = said;
	ssize_t n = pread(d->messages, said, sizeof said - 1, 0);

	if (d->in_len >= LENGTH && n <= 0)
		snprintf(text, size, "passt sent what is no frame");
	said[n > 0 ? n : 0] = 0;
	while ((line = strsep(&rest, "\n")))
		if (*line && strncmp(line, "Failed to send", 14))
			snprintf(text, size, "passt: %s", line);
}

static void close_passt(struct vmm_netdev *d)
{
	vmm_helper_end(&d->helper);
}

/* What the socket did not take of the vectors waits in d->out. */
static void keep_rest(struct vmm_netdev *d, const struct iovec *iov, unsigned n, size_t from,
		      size_t len)
{
	d->out_at = 0;
	d->out_len = vmm_iov_read(iov, n, from, d->out, len - from);
	vmm_netdev_want(d, UV_WRITABLE);
}

static int send_passt(struct vmm_netdev *d, const struct iovec *frame, unsigned n, size_t len)
{
	uint32_t length = htonl((uint32_t)len);
	struct iovec iov[VMM_CHAIN_MAX + 1] = { { &length, sizeof length } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n + 1 };

	memcpy(iov + 1, frame, n * sizeof *iov);
	ssize_t done = sendmsg(d->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if ((size_t)done < LENGTH + len)
		keep_rest(d, iov, n + 1, (size_t)done, LENGTH + len);
	return 0;
}

static bool flush_passt(struct vmm_netdev *d)
{
	ssize_t done = d->out_len ? send(d->fd, d->out + d->out_at, d->out_len,
					 MSG_DONTWAIT | MSG_NOSIGNAL)
				  : 0;

	if (done > 0) {
		d->out_at += (size_t)done;
		d->out_len -= (size_t)done;
	}
	return d->out_len;
}

/* The next whole frame of what has come, or 0. Its length is told apart from nonsense. */
static int next_frame(const struct vmm_netdev *d, uint32_t *len)
{
	uint32_t length;

	if (d->in_len < LENGTH)
		return 0;
	memcpy(&length, d->in + FRONT + d->in_at, sizeof length);
	*len = ntohl(length);
	if (*len > VMM_NET_FRAME_MAX)
		return -EPROTO;
	return d->in_len >= LENGTH + *len;
}

/*
 * The guest's header goes where the length is and before, over frames that have gone already; the
 * length comes back if the guest does not take it.
 */
static int give_frame(struct vmm_netdev *d, uint32_t len)
{
	uint8_t *packet = d->in + d->in_at, *length = packet + FRONT;
	uint32_t saved;

	memcpy(&saved, length, sizeof saved);
	memset(packet, 0, VMM_NET_HEADER);
	int rc = vmm_vnet_receive(&d->n, packet, VMM_NET_HEADER + len);
	if (rc == -EAGAIN) {
		memcpy(length, &saved, sizeof saved);
		return rc;
	}
	d->in_at += LENGTH + len;
	d->in_len -= LENGTH + len;
	return 0;
}

static int give_frames(struct vmm_netdev *d)
{
	uint32_t len;
	int rc;

	while ((rc = next_frame(d, &len)) > 0)
		if (give_frame(d, len) == -EAGAIN)
			return -EAGAIN;
	return rc < 0 ? -EPIPE : 0;
}

static int receive_passt(struct vmm_netdev *d)
{
	int rc = give_frames(d); /* those the guest had no room for */

	if (rc < 0)
		return rc;
	memmove(d->in + FRONT, d->in + FRONT + d->in_at, d->in_len);
	d->in_at = 0;
	ssize_t n = recv(d->fd, d->in + FRONT + d->in_len, ROOM - d->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	d->in_len += (size_t)n;
	return give_frames(d);
}

const struct vmm_netdev_ops vmm_net_passt = {
	.open = open_passt,
	.send = send_passt,
	.receive = receive_passt,
	.flush = flush_passt,
	.reason = reason,
	.close = close_passt,
};
