// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: the kernel, its limits and its configuration.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "probe_look.h"
#include "regbuf.h"
#include "ring.h"

/* The pool of a job as the sweep runs it where nothing else is said: 32 units of 4 KiB. */
#define DEFAULT_POOL	(32 * 4096ULL)

/* In the order of the kernel's answers: a kernel that does not know one knows none after it. */
static const struct {
	const char *name;
	enum regbuf_support missing;
	const char *command;
} steps[] = {
	{ "io_uring", REGBUF_NO_IO_URING, NULL },
	{ "extended_update", REGBUF_NO_EXTENDED, "make kernel-deb, and install and boot that" },
	{ "dmabuf_type", REGBUF_NO_DMABUF, "boot Linux 7.4 or later, or one of make kernel-deb" },
	{ "dmabuf_enabled", REGBUF_DISABLED,
	  "boot a kernel with CONFIG_DMA_SHARED_BUFFER=y (and CONFIG_DMABUF_IO=y, where patched)" },
};

/* What keeps io_uring away: nothing older than 6.6 has the switch. */
static const char *io_uring_command(long long disabled)
{
	struct ring_conf conf = { .depth = 1 };
	struct ring ring = { 0 };
	struct why why;
	int ret;

	ret = ring_init(&ring, &conf, &why);
	ring_exit(&ring);
	switch (ret) {
	case -ENOSYS:
		return "boot a kernel with CONFIG_IO_URING=y";
	case -EPERM:
	case -EACCES:
		return disabled > 0 ? "sysctl kernel.io_uring_disabled=0" :
		       "allow io_uring_setup in the container's seccomp profile";
	}
	return "";
}

static void probe_steps(struct probe *p)
{
	long long disabled = look_number("/proc/sys/kernel/io_uring_disabled");
	struct probe_row row;
	bool reached = true;
	enum regbuf_support support;
	struct why why = { "" };

	support = regbuf_probe(&why);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		probe_row(&row, "%s", steps[i].name);
		if (!i)
			probe_number(&row, "io_uring_disabled", disabled);
		if (!reached) {
			probe_says(&row, PROBE_UNKNOWN, "not reached");
		} else if (support == steps[i].missing) {
			probe_says(&row, PROBE_NO, "%s", why.text);
			probe_try(&row, "%s", steps[i].command ? steps[i].command :
				  io_uring_command(disabled));
			reached = false;
		} else {
			probe_says(&row, PROBE_YES, NULL);
		}
		probe_needed(p, PROBE_NEED_KERNEL, &row);
		probe_write(p, &row);
	}
	/* every step is needed, not one of them */
	p->needs[PROBE_NEED_KERNEL].met = support == REGBUF_SUPPORTED;
}

static const char *const options[] = {
	"CONFIG_IO_URING", "CONFIG_DMA_SHARED_BUFFER", "CONFIG_UDMABUF", "CONFIG_DMABUF_HEAPS",
	"CONFIG_DMABUF_MOVE_NOTIFY", "CONFIG_PCI_P2PDMA", "CONFIG_NVME_MULTIPATH",
};
#define P2PDMA		5

#define NR_OPTIONS	(sizeof(options) / sizeof(options[0]))

struct config {
	char value[NR_OPTIONS];
	bool any;
};

static void config_line(const char *line, void *arg)
{
	struct config *config = arg;

	for (size_t i = 0; i < NR_OPTIONS; i++) {
		size_t len = strlen(options[i]);

		if (!strncmp(line, options[i], len) && line[len] == '=')
			config->value[i] = line[len + 1];
	}
	config->any |= !strncmp(line, "CONFIG_", 7);
}

static void probe_config(struct probe *p, const char *release)
{
	char boot[PROBE_PATH];
	const char *const in_proc[] = { "zcat", "/proc/config.gz", NULL };
	const char *const in_boot[] = { "cat", boot, NULL };
	struct config config = { 0 };
	struct probe_row row;

	snprintf(boot, sizeof(boot), "/boot/config-%s", release);
	memset(config.value, 'n', sizeof(config.value));
	if (look_run(in_proc, config_line, &config) || !config.any)
		look_run(in_boot, config_line, &config);

	probe_row(&row, "config");
	if (!config.any)
		probe_says(&row, PROBE_UNKNOWN, "neither /proc/config.gz nor %s can be read", boot);
	for (size_t i = 0; i < NR_OPTIONS && config.any; i++)
		probe_text(&row, options[i], (char []){ config.value[i], '\0' });
	p->without_p2pdma = config.any && config.value[P2PDMA] == 'n';
	probe_write(p, &row);
}

static void probe_memlock(struct probe *p)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };
	struct probe_row row;

	probe_row(&row, "memlock");
	probe_number(&row, "default_pool_bytes", DEFAULT_POOL);
	getrlimit(RLIMIT_MEMLOCK, &limit);
	probe_says(&row, PROBE_YES, NULL);
	if (limit.rlim_cur == RLIM_INFINITY || regbuf_unlimited()) {
		probe_text(&row, "limit", "none");
	} else {
		probe_number(&row, "limit_bytes", limit.rlim_cur);
		if (limit.rlim_cur < DEFAULT_POOL) {
			probe_says(&row, PROBE_NO, "a job's memory is locked, and this is too "
				   "little for the default pool");
			probe_try(&row, "ulimit -l unlimited, or run as root");
		}
	}
	probe_write(p, &row);
}

static void probe_udmabuf_limits(struct probe *p)
{
	static const char folder[] = "/sys/module/udmabuf/parameters";
	long long mb = look_number("%s/size_limit_mb", folder);
	struct probe_row row;

	probe_row(&row, "udmabuf_limits");
	probe_number(&row, "size_limit_mb", mb);
	probe_number(&row, "list_limit", look_number("%s/list_limit", folder));
	if (mb < 0)
		probe_says(&row, PROBE_UNKNOWN, "%s/size_limit_mb cannot be read: is udmabuf "
			   "there?", folder);
	probe_write(p, &row);
}

void probe_kernel(struct probe *p)
{
	struct utsname name;
	struct probe_row row;

	probe_section(p, "kernel");
	uname(&name);
	probe_row(&row, "release");
	probe_text(&row, "value", name.release);
	probe_write(p, &row);
	probe_steps(p);
	probe_config(p, name.release);

	probe_section(p, "limits");
	probe_memlock(p);
	probe_udmabuf_limits(p);
}
