/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time. Engines take `now` as an argument and never ask; only the shells around them call here.
 * All times inside dvm are nanoseconds in a uint64_t.
 */
#ifndef DVMI_BASE_CLOCK_H
#define DVMI_BASE_CLOCK_H

#include <stdint.h>

#define DVMI_USEC UINT64_C(1000)
#define DVMI_MSEC UINT64_C(1000000)
#define DVMI_SEC  UINT64_C(1000000000)

/* CLOCK_MONOTONIC in ns: for every interval and deadline. Any thread. */
uint64_t dvmi_clock_mono(void);

/* CLOCK_REALTIME in ns since 1970: for what a person reads, never for a decision. Any thread. */
uint64_t dvmi_clock_wall(void);

#endif
