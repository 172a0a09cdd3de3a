/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two PVM tasks: how long a short message takes one way, and how many bytes pass in a second. Prints
 * "lat8 MICROSECONDS" and "bw BYTES MEGABYTES-PER-SECOND", each the best of some rounds. With an
 * argument they talk directly, which PVM does not do by itself.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include <pvm3.h>

enum { BACK = 1, TAKE, DONE, END, LONGEST = 1 << 22, SHORT_ROUNDS = 200, ROUNDS = 12 };

static char bytes[LONGEST];

static double now(void)
{
	struct timeval t;

	gettimeofday(&t, NULL);
	return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void send_bytes(int to, int len, int tag)
{
	pvm_initsend(PvmDataRaw);
	pvm_pkbyte(bytes, len, 1);
	pvm_send(to, tag);
}

static int child(int parent, int direct)
{
	if (direct)
		pvm_setopt(PvmRoute, PvmRouteDirect);
	for (;;) {
		int len, tag, buf = pvm_recv(parent, -1);
		if (buf < 0 || pvm_bufinfo(buf, &len, &tag, NULL) < 0 || tag == END)
			break;
		pvm_upkbyte(bytes, len, 1);
		if (tag == BACK || tag == DONE)
			send_bytes(parent, tag == BACK ? len : 0, tag);
	}
	pvm_exit();
	return 0;
}

static double latency(int kid)
{
	enum { TIMES = 200 }; /* short: some rounds are disturbed by nobody */
	double best = 1e9;

	for (int r = 0; r < SHORT_ROUNDS; r++) {
		double begin = now();
		for (int i = 0; i < TIMES; i++) {
			send_bytes(kid, 8, BACK);
			pvm_recv(kid, BACK);
			pvm_upkbyte(bytes, 8, 1);
		}
		double each = (now() - begin) / TIMES / 2;
		best = each < best ? each : best;
	}
	return best * 1e6;
}

static double bandwidth(int kid, int len)
{
	int times = len > 1 << 18 ? 20 : 200;
	double best = 0;

	for (int r = 0; r < ROUNDS; r++) {
		double begin = now();
		for (int i = 0; i < times; i++)
			send_bytes(kid, len, TAKE);
		send_bytes(kid, 0, DONE);
		pvm_recv(kid, DONE);
		double rate = (double)len * times / (now() - begin);
		best = rate > best ? rate : best;
	}
	return best * 1e-6;
}

int main(int argc, char **argv)
{
	char self[PATH_MAX];
	int kid;

	if (pvm_parent() > 0)
		return child(pvm_parent(), argc > 1);
	if (argc > 1)
		pvm_setopt(PvmRoute, PvmRouteDirect);
	if (argc < 1 || !realpath(argv[0], self) ||
	    pvm_spawn(self, argv + 1, PvmTaskDefault, NULL, 1, &kid) != 1)
		return 1;
	printf("lat8 %.2f\n", latency(kid));
	for (int len = 1 << 12; len <= LONGEST; len <<= 2)
		printf("bw %d %.0f\n", len, bandwidth(kid, len));
	send_bytes(kid, 0, END);
	pvm_exit();
	return 0;
}
