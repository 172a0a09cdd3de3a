/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest's disk and network can do: sizes are those of an emulated host, which is slow. */
#include "tests/guest/init_io.h"
#include "tests/guest/programs.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HOST "192.0.2.1"
#define SELF "192.0.2.2"
#define PORT 7070
#define MIB  (1 << 20)

static double now_us(void)
{
	return guest_now_ms() * 1e3;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* All in /modules, in the order of their names. */
void io_modules(void)
{
	struct dirent **list;
	int n = scandir("/modules", &list, NULL, by_name), loaded = 0;

	for (int i = 0; i < n; i++) {
		char path[512];
		snprintf(path, sizeof path, "/modules/%s", list[i]->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		loaded += syscall(SYS_finit_module, fd, "", 0) == 0;
		close(fd);
	}
	printf("guest: modules %d\n", loaded);
}

/* Interrupts that may go anywhere come to the CPU that this runs on. */
void io_interrupts(void)
{
	int cpu = sched_getcpu(), n = 0;
	struct dirent **list;
	int all = scandir("/proc/irq", &list, NULL, by_name);

	for (int i = 0; i < all; i++) {
		char path[512], mask[16];
		snprintf(path, sizeof path, "/proc/irq/%s/smp_affinity", list[i]->d_name);
		snprintf(mask, sizeof mask, "%x", 1u << cpu);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		n += write(fd, mask, strlen(mask)) > 0;
		close(fd);
	}
	printf("guest: interrupts %d to CPU %d\n", n, cpu);
}

/* ---- disk ---- */

enum { BIG = 32, SMALL = 200 };

/* MiB/s of the first BIG MiB, past the guest's cache. */
static void stream(int fd, char *buf, bool writes)
{
	double began = now_us();

	for (int i = 0; i < BIG; i++)
		if ((writes ? pwrite(fd, buf, MIB, (off_t)i * MIB) :
			      pread(fd, buf, MIB, (off_t)i * MIB)) != MIB)
			return;
	printf("guest: blk_%s %.1f MiB/s\n", writes ? "write" : "read",
	       BIG * 1e6 / (now_us() - began));
}

/* µs for 4 KiB somewhere, one at a time; written ones are on the disk then. */
static void somewhere(int fd, char *buf, bool writes)
{
	double began = now_us();
	uint32_t at = 12345;

	for (int i = 0; i < SMALL; i++) {
		at = at * 1103515245 + 12345;
		off_t off = (off_t)(at / 4096 % (BIG * MIB / 4096)) * 4096;
		if ((writes ? pwrite(fd, buf, 4096, off) : pread(fd, buf, 4096, off)) != 4096 ||
		    (writes && fdatasync(fd) < 0))
			return;
	}
	printf("guest: blk_%s %.1f us\n", writes ? "sync4k" : "read4k", (now_us() - began) / SMALL);
}

void io_disk(void)
{
	int fd = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
	char *buf = aligned_alloc(4096, MIB);

	if (fd < 0 || !buf) {
		printf("guest: no disk\n");
		return;
	}
	memset(buf, 0x5a, MIB);
	stream(fd, buf, true);
	stream(fd, buf, false);
	somewhere(fd, buf, false);
	somewhere(fd, buf, true);
	free(buf);
	close(fd);
}

static void fill_block(uint64_t *block, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i < bytes / sizeof *block; i++)
		block[i] = guest_next(&seed);
}

static void check_disk(const char *path)
{
	enum { SOME = 65536, BLOCKS = 16 };
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	uint64_t *out = aligned_alloc(4096, SOME), *in = aligned_alloc(4096, SOME);
	unsigned bad = fd < 0 || !out || !in;

	for (unsigned i = 0; !bad && i < BLOCKS; i++) {
		fill_block(out, SOME, i + 1);
		bad = pwrite(fd, out, SOME, (off_t)i * SOME) != SOME;
	}
	bad |= fsync(fd) < 0;
	for (unsigned i = 0; !bad && i < BLOCKS; i++) {
		fill_block(out, SOME, i + 1);
		bad = pread(fd, in, SOME, (off_t)i * SOME) != SOME || memcmp(in, out, SOME);
	}
	printf("guest: disk %s %u blocks: %s\n", path, BLOCKS, bad ? "bad" : "good");
	free(out);
	free(in);
	close(fd);
}

void io_check_disk(void)
{
	char path[] = "/dev/vda";
	char *letter = path + strlen(path) - 1;

	for (; *letter <= 'z' && access(path, F_OK) == 0; ++*letter)
		check_disk(path);
	printf("guest: disks %d\n", *letter - 'a');
}

/* ---- network ---- */

static int bring_up(void)
{
	struct ifreq r = { .ifr_name = "eth0" };
	struct sockaddr_in *a = (struct sockaddr_in *)&r.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	a->sin_family = AF_INET;
	inet_pton(AF_INET, SELF, &a->sin_addr);
	int rc = ioctl(fd, SIOCSIFADDR, &r);
	inet_pton(AF_INET, "255.255.255.0", &a->sin_addr);
	rc |= ioctl(fd, SIOCSIFNETMASK, &r);
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	rc |= ioctl(fd, SIOCSIFFLAGS, &r);
	close(fd);
	return rc;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	inet_pton(AF_INET, HOST, &a.sin_addr);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

/* A connection whose other end does WHAT (guest_watch.c). */
static int ask(char what)
{
	int fd = connect_to(PORT);

	if (fd >= 0 && write(fd, &what, 1) != 1) {
		close(fd);
		return -1;
	}
	return fd;
}

static void ping_pong(void)
{
	int fd = ask('e');
	double began = now_us();
	char c = 0;

	for (int i = 0; i < SMALL; i++)
		if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1) {
			printf("guest: no network\n");
			return;
		}
	printf("guest: net_ping %.1f us\n", (now_us() - began) / SMALL);
	close(fd);
}

/* BIG MiB there, until the other end has seen them all; or from there. */
static void flood(bool out)
{
	int fd = ask(out ? 's' : 'g');
	char *buf = calloc(1, MIB);
	double began = now_us();
	int64_t left = (int64_t)BIG * MIB;

	while (left > 0) {
		size_t some = left < MIB ? (size_t)left : MIB;
		ssize_t n = out ? write(fd, buf, some) : read(fd, buf, some);
		if (n <= 0)
			break;
		left -= n;
	}
	if (out && (shutdown(fd, SHUT_WR) < 0 || read(fd, buf, 1) != 1))
		left = 1;
	if (!left)
		printf("guest: net_%s %.1f MiB/s\n", out ? "out" : "in",
		       BIG * 1e6 / (now_us() - began));
	free(buf);
	close(fd);
}

void io_network(void)
{
	if (bring_up() < 0) {
		printf("guest: no network card\n");
		return;
	}
	ping_pong();
	flood(true);
	flood(false);
}

void io_check_network(void)
{
	enum { SOME = 4096, BLOCKS = 32 };
	uint64_t out[SOME / 8], in[SOME / 8];
	bool good = bring_up() == 0;
	int fd = good ? connect_to(PORT + 1) : -1;

	good &= fd >= 0;
	for (unsigned i = 0; good && i < BLOCKS; i++) {
		fill_block(out, SOME, i + 1);
		good = write(fd, out, SOME) == SOME && recv(fd, in, SOME, MSG_WAITALL) == SOME &&
		       !memcmp(in, out, SOME);
	}
	printf("guest: network %u blocks: %s\n", BLOCKS, good ? "good" : "bad");
	if (fd >= 0)
		close(fd);
}
