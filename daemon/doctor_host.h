/* SPDX-License-Identifier: BSD-3-Clause */
/* What this host can do for guests and shared memory, and what it lacks. */
#ifndef DVMD_DOCTOR_HOST_H
#define DVMD_DOCTOR_HOST_H

#include <stdbool.h>

/* WHAT can be used, or cannot; DETAIL is one line: what is missing and how to get it. */
typedef void dvmd_doctor_note_fn(void *arg, const char *what, bool ok, const char *detail);

/* Looks below ROOT ("": this host; others are for tests) and reports each finding. */
void dvmd_doctor_host(const char *root, dvmd_doctor_note_fn *note, void *arg);

#endif
