/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "daemon/cli/signals.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

int cli_signal_parse(const char *s, int *out, dvm_error_t *err)
{
	uint64_t n;

	if (dvmi_text_u64(s, 1, SIGRTMAX, &n) == 0) {
		*out = (int)n;
		return 0;
	}
	if (!strncasecmp(s, "SIG", 3))
		s += 3;
	for (int i = 1; i < NSIG; i++) {
		const char *name = sigabbrev_np(i);

		if (name && !strcasecmp(name, s)) {
			*out = i;
			return 0;
		}
	}
	return dvmi_error_set(err, -EINVAL, "\"%s\" is no signal (USR1, TERM, 10, …)", s);
}
