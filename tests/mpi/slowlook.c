/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For LD_PRELOAD under Open MPI: a caller that has said that it wants to connect is slow to look
 * whether it is accepted; or to look for what LOOK_FOR is part of the name of. LOOK_SAYS is a file it makes then, LOOK_WAITS (may be absent) one that it
 * waits for, and a bit more, before it does look.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pmix.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void wait_for(const char *file)
{
	for (int i = 0; i < 3000 && access(file, F_OK) < 0; i++)
		usleep(10000);
	usleep(200000);
}

static void be_slow(void)
{
	const char *says = getenv("LOOK_SAYS"), *waits = getenv("LOOK_WAITS");

	if (says)
		close(open(says, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
	if (waits)
		wait_for(waits);
}

pmix_status_t PMIx_Lookup(pmix_pdata_t data[], size_t n, const pmix_info_t info[], size_t n_info)
{
	pmix_status_t (*lookup)(pmix_pdata_t *, size_t, const pmix_info_t *, size_t) =
		dlsym(RTLD_NEXT, "PMIx_Lookup");

	const char *what = getenv("LOOK_FOR");

	if (strstr(data[0].key, what ? what : ":accept"))
		be_slow();
	return lookup(data, n, info, n_info);
}
