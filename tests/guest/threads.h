/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_GUEST_THREADS_H
#define TESTS_GUEST_THREADS_H

/* Each prints one line, ending in ": good" if nothing was wrong. */
void guest_threads(unsigned rounds);
/* The first CPU and the last one write the same pages as often as they can, for SECONDS. */
void guest_fight(unsigned seconds);
/* Each CPU computes for SECONDS, and wants nothing of the others. */
void guest_toil(unsigned seconds);
/* Between the first and the last CPU. */
void guest_litmus(unsigned rounds);

#endif
