/* SPDX-License-Identifier: BSD-3-Clause */
/* The calling thread's place among others. */
#ifndef DVMI_BASE_THREAD_H
#define DVMI_BASE_THREAD_H

/*
 * It goes before all threads that share the processors' time: right for one that others wait for while
 * they compute. The least real-time priority; threads and processes that it makes do not have it. 0, or
 * -EPERM where it may not.
 */
int dvmi_thread_go_first(void);

#endif
