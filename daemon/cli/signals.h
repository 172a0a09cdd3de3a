/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of signals. */
#ifndef DVMD_CLI_SIGNALS_H
#define DVMD_CLI_SIGNALS_H

#include "dvm/error.h"

/* "USR1", "SIGUSR1", "usr1" or "10" into *OUT. -EINVAL with ERR. */
int cli_signal_parse(const char *s, int *out, dvm_error_t *err);

#endif
