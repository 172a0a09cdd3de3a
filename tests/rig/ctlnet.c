/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control line: a second network card that reaches the machine the rig runs on.
 *
 * The programs under test look at the host's interfaces, so this one must not be among them: it
 * lives in a namespace of its own. A socket keeps the namespace it was made in, so only the
 * listening socket has to be made there.
 */
#include "tests/rig/ctlnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct move_request {
	struct nlmsghdr nh;
	struct ifinfomsg ifi;
	struct rtattr attr;
	int ns;
};

struct ack {
	struct nlmsghdr nh;
	struct nlmsgerr err;
	char rest[512];
};

static int netlink_call(const struct move_request *req)
{
	struct ack ack = { 0 };
	int rc = 0, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (send(fd, req, sizeof(*req), 0) < 0 || recv(fd, &ack, sizeof(ack), 0) < 0)
		rc = -errno;
	else if (ack.nh.nlmsg_type != NLMSG_ERROR)
		rc = -EPROTO;
	else
		rc = ack.err.error;
	close(fd);
	return rc;
}

static int move_link(const char *ifname, int ns)
{
	struct move_request req = {
		.nh = { .nlmsg_len = sizeof(req),
			.nlmsg_type = RTM_NEWLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.ifi = { .ifi_index = (int)if_nametoindex(ifname) },
		.attr = { .rta_len = RTA_LENGTH(sizeof(ns)), .rta_type = IFLA_NET_NS_FD },
		.ns = ns,
	};

	return req.ifi.ifi_index ? netlink_call(&req) : -ENODEV;
}

static void set_address(struct ifreq *ifr, const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	inet_pton(AF_INET, address, &in.sin_addr);
	memcpy(&ifr->ifr_addr, &in, sizeof(in));
}

static int configure(const char *ifname, const char *address)
{
	struct ifreq ifr = { 0 };
	int rc = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	strncpy(ifr.ifr_name, ifname, sizeof(ifr.ifr_name) - 1);
	set_address(&ifr, address);
	if (ioctl(fd, SIOCSIFADDR, &ifr) < 0)
		rc = -errno;
	set_address(&ifr, "255.255.255.0");
	if (rc == 0 && ioctl(fd, SIOCSIFNETMASK, &ifr) < 0)
		rc = -errno;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (rc == 0 && ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int listen_on(unsigned int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int rc, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0 && listen(fd, 128) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* In the new namespace already; home is the descriptor of the old one. */
static int move_and_listen(const char *ifname, const char *address, unsigned int port, int home)
{
	int rc, ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (ns < 0)
		return -errno;
	rc = setns(home, CLONE_NEWNET) < 0 ? -errno : move_link(ifname, ns);
	if (rc == 0 && setns(ns, CLONE_NEWNET) < 0)
		rc = -errno;
	close(ns);
	if (rc == 0)
		rc = configure(ifname, address);
	return rc < 0 ? rc : listen_on(port);
}

int rig_ctlnet_listen(const char *ifname, const char *address, unsigned int port)
{
	int rc, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0)
		return -errno;
	if (unshare(CLONE_NEWNET) < 0)
		rc = -errno;
	else
		rc = move_and_listen(ifname, address, port, home);
	if (setns(home, CLONE_NEWNET) < 0 && rc >= 0)
		rc = -errno;
	close(home);
	return rc;
}
