/* SPDX-License-Identifier: BSD-3-Clause */
/* pvm_notify(). */
#include "libdvm/pvm3/manager.h"
#include "libdvm/pvm3/trace.h"

static int check(int what, int tag, int n, const int *tids)
{
	int kind = what & ~PvmNotifyCancel;

	if (kind < PvmTaskExit || kind > PvmRouteDelete || tag < 0)
		return PvmBadParam;
	if (kind == PvmHostAdd || kind == PvmRouteAdd)
		return 0;
	if (n < 1 || !tids)
		return PvmBadParam;
	for (int i = 0; kind == PvmTaskExit && i < n; i++)
		if (!pvmi_is_task(tids[i]))
			return PvmBadParam;
	return 0;
}

static bool about_routes(int what)
{
	int kind = what & ~PvmNotifyCancel;

	return kind == PvmRouteAdd || kind == PvmRouteDelete;
}

static int ask(int what, int tag, int n, const int *tids)
{
	bool hosts = (what & ~PvmNotifyCancel) == PvmHostAdd;
	struct dvmi_buf args = { 0 };

	dvmi_buf_put_u32(&args, (uint32_t)what);
	dvmi_buf_put_u32(&args, (uint32_t)tag);
	dvmi_buf_put_u32(&args, (uint32_t)pvmi.ctx);
	dvmi_buf_put_u32(&args, (uint32_t)n);
	dvmi_buf_put_u32(&args, hosts ? 0 : (uint32_t)n);
	for (int i = 0; !hosts && i < n; i++)
		dvmi_buf_put_u32(&args, (uint32_t)tids[i]);
	int rc = pvmi_ask(PVMI_NOTIFY, &args, NULL);
	dvmi_buf_free(&args);
	return rc;
}

/* The resource manager is who tells then: it hears of all ends. */
static int tell_manager(int what, int tag, int n, const int *tids)
{
	struct pvmi_msg *m = pvmi_manager_body();

	if (!m)
		return PvmNoMem;
	pvmi_put_int(m, what);
	pvmi_put_int(m, pvmi.ctx);
	pvmi_put_int(m, tag);
	pvmi_put_int(m, n);
	for (int i = 0; tids && i < n; i++)
		pvmi_put_int(m, tids[i]);
	return pvmi_ask_manager(SM_NOTIFY, m, NULL);
}

int pvm_notify(int what, int tag, int count, int *tids)
{
	int rc = pvmi_enrol();

	PVMI_BEGINS(TEV_NOTIFY, PVMI_INT(NE, what), PVMI_INT(NMC, tag),
		    PVMI_INTS(NTL, tids, tids && count > 0 ? count : 0));
	if (rc == 0)
		rc = check(what, tag, count, tids);
	if (rc == 0 && about_routes(what))
		rc = pvmi_route_notify(what, tag, count, tids);
	else if (rc == 0)
		rc = pvmi_managed() ? tell_manager(what, tag, count, tids) :
				      ask(what, tag, count, tids);
	return pvmi_result("pvm_notify", pvmi_ends(TEV_NOTIFY, rc));
}
