/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_GUEST_THREADS_H
#define TESTS_GUEST_THREADS_H

/* Each prints one line, ending in ": good" if nothing was wrong. */
void guest_threads(unsigned rounds);
/* Between the first and the last CPU. */
void guest_litmus(unsigned rounds);

#endif
