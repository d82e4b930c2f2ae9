// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard against a fio that the engine was not built for. fio compares a number
 * that changes less often than its structures do, so a mismatch would be accepted,
 * crash the job, and still exit with status 0.
 */
#include <errno.h>
#include <string.h>

#include "compat.h"

/*
 * Runs when fio opens the engine, before it looks at anything in it. A version that
 * no fio has makes fio refuse the engine and exit with an error.
 */
static void __attribute__((constructor)) refuse_other_version(void)
{
	if (!strcmp(fio_version_string, CONFIG_FIO_VERSION))
		return;
	log_err("fio-dmabuf: built for %s, but loaded by %s; run ./configure --fio=BIN with this "
		"fio's binary, and make\n", CONFIG_FIO_VERSION, fio_version_string);
	ioengine.version = -1;
}

int compat_guard(const struct thread_data *td)
{
	if (td->io_ops == &ioengine)
		return 0;
	log_err("fio-dmabuf: built for another %s than the one that loaded it: its structures "
		"differ; run ./configure --fio=BIN --with-fio=DIR with the source that this fio "
		"was built from, and make\n", CONFIG_FIO_VERSION);
	return -EPROTO;
}
