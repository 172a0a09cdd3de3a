/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's switch: who hears what, and what a bad or a slow emulator does to it. */
#include "tests/rig/switch.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/cm.h"

#define PORTS 4

struct net {
	struct rig_switch *sw;
	int host[PORTS]; /* the emulators' ends */
};

static int setup(void **state)
{
	struct net *n = calloc(1, sizeof(*n));
	int ends[2];

	assert_non_null(n);
	assert_int_equal(rig_switch_create(&n->sw), 0);
	for (size_t i = 0; i < PORTS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		n->host[i] = ends[0];
		assert_int_equal(rig_switch_plug(n->sw, i, ends[1]), 0);
	}
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	struct net *n = *state;

	for (size_t i = 0; i < PORTS; i++)
		close(n->host[i]);
	rig_switch_destroy(n->sw);
	free(n);
	return 0;
}

/* A frame of 64 bytes between hosts; to 0xff is broadcast. */
static void make_frame(char out[68], unsigned char to, unsigned char from)
{
	uint32_t len = htobe32(64);

	memset(out, 0, 68);
	memcpy(out, &len, 4);
	memset(out + 4, to == 0xff ? 0xff : 2, 6);
	memset(out + 10, 2, 6);
	out[9] = (char)to;
	out[15] = (char)from;
}

static void say(struct net *n, size_t port, unsigned char to)
{
	char frame[68];

	make_frame(frame, to, (unsigned char)port);
	assert_int_equal(write(n->host[port], frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(rig_switch_receive(n->sw, port), 0);
}

/* The number of bytes a host has heard since the last time. */
static size_t heard(struct net *n, size_t port)
{
	static char buf[1 << 20];
	ssize_t got, all = 0;

	while ((got = recv(n->host[port], buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		all += got;
	return (size_t)all;
}

static void a_nudge_reaches_all_but_those_who_are_behind(void **state)
{
	struct net *n = *state;

	say(n, 1, 0); /* from now on it is known where 1 is */
	for (int i = 0; i < 100000 && !rig_switch_backlog(n->sw, 1); i++)
		say(n, 0, 1);
	assert_true(rig_switch_backlog(n->sw, 1));
	for (size_t i = 0; i < PORTS; i++)
		if (i != 1)
			heard(n, i);
	size_t behind = heard(n, 1);
	assert_true(behind > 0);
	rig_switch_nudge(n->sw);
	assert_int_equal(heard(n, 0), 64);
	assert_int_equal(heard(n, 1), 0);
	assert_int_equal(heard(n, 2), 64);
}

static void broadcast_reaches_all_others(void **state)
{
	struct net *n = *state;

	say(n, 0, 0xff);
	assert_int_equal(heard(n, 0), 0);
	for (size_t i = 1; i < PORTS; i++)
		assert_int_equal(heard(n, i), 68);
}

static void a_known_address_reaches_one(void **state)
{
	struct net *n = *state;

	say(n, 1, 0xff);
	for (size_t i = 0; i < PORTS; i++)
		heard(n, i);
	say(n, 0, 1);
	assert_int_equal(heard(n, 1), 68);
	assert_int_equal(heard(n, 2), 0);
	say(n, 0, 3); /* nobody has heard of it */
	assert_int_equal(heard(n, 2), 68);
	assert_int_equal(heard(n, 3), 68);
}

static void groups_do_not_hear_each_other(void **state)
{
	struct net *n = *state;

	rig_switch_group(n->sw, 0, 1);
	rig_switch_group(n->sw, 1, 1);
	say(n, 0, 0xff);
	assert_int_equal(heard(n, 1), 68);
	assert_int_equal(heard(n, 2), 0);
	rig_switch_group(n->sw, 0, 0);
	say(n, 0, 0xff);
	assert_int_equal(heard(n, 1), 0);
	assert_int_equal(heard(n, 2), 68);
}

static void a_frame_may_come_in_pieces(void **state)
{
	struct net *n = *state;
	char frame[68];

	make_frame(frame, 0xff, 0);
	for (size_t i = 0; i < sizeof(frame); i++) {
		assert_int_equal(heard(n, 1), 0);
		assert_int_equal(write(n->host[0], frame + i, 1), 1);
		assert_int_equal(rig_switch_receive(n->sw, 0), 0);
	}
	assert_int_equal(heard(n, 1), 68);
}

static void several_frames_may_come_at_once(void **state)
{
	struct net *n = *state;
	char frames[3 * 68];

	for (int i = 0; i < 3; i++)
		make_frame(frames + 68 * i, 0xff, 0);
	assert_int_equal(write(n->host[0], frames, sizeof(frames)), sizeof(frames));
	assert_int_equal(rig_switch_receive(n->sw, 0), 0);
	assert_int_equal(heard(n, 1), 3 * 68);
}

static void a_frame_too_long_ends_the_port(void **state)
{
	struct net *n = *state;
	uint32_t len = htobe32(65536);

	assert_int_equal(write(n->host[0], &len, 4), 4);
	assert_int_equal(rig_switch_receive(n->sw, 0), -EPROTO);
}

static void a_frame_too_short_is_dropped(void **state)
{
	struct net *n = *state;
	char runt[4 + 11] = { 0, 0, 0, 11 };

	assert_int_equal(write(n->host[0], runt, sizeof(runt)), sizeof(runt));
	assert_int_equal(rig_switch_receive(n->sw, 0), 0);
	assert_int_equal(heard(n, 1), 0);
}

static void a_lost_emulator_is_noticed(void **state)
{
	struct net *n = *state;

	shutdown(n->host[2], SHUT_RDWR);
	assert_int_equal(rig_switch_receive(n->sw, 2), -EPIPE);
	rig_switch_unplug(n->sw, 2);
	assert_int_equal(rig_switch_fd(n->sw, 2), -1);
	say(n, 0, 0xff);
	assert_int_equal(heard(n, 1), 68);
}

static void a_slow_host_loses_whole_frames(void **state)
{
	struct net *n = *state;
	size_t all = 0, got;

	for (int i = 0; i < 100000; i++)
		say(n, 0, 0xff);
	assert_true(rig_switch_backlog(n->sw, 1));
	do {
		got = heard(n, 1);
		all += got;
		assert_int_equal(rig_switch_flush(n->sw, 1), 0);
	} while (got || rig_switch_backlog(n->sw, 1));
	assert_true(all < 100000u * 68);
	assert_int_equal(all % 68, 0);
}

static void a_port_takes_one_plug(void **state)
{
	struct net *n = *state;

	assert_int_equal(rig_switch_plug(n->sw, 0, 0), -EINVAL);
	assert_int_equal(rig_switch_plug(n->sw, RIG_SWITCH_PORTS, 0), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(broadcast_reaches_all_others),    T(a_known_address_reaches_one),
		T(groups_do_not_hear_each_other),   T(a_frame_may_come_in_pieces),
		T(several_frames_may_come_at_once), T(a_frame_too_long_ends_the_port),
		T(a_frame_too_short_is_dropped),    T(a_lost_emulator_is_noticed),
		T(a_slow_host_loses_whole_frames),  T(a_port_takes_one_plug),
		T(a_nudge_reaches_all_but_those_who_are_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
