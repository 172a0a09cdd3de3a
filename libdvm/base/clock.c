/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include "libdvm/base/clock.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * DVMI_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t dvmi_clock_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t dvmi_clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}
