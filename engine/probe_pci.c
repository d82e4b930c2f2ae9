// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: PCI devices, and the way from one to another.
 *
 * The kernel lets a device use another one's memory where both are below one bridge and no port on
 * the way redirects such requests upstream (ACS), and else where it trusts the host bridge: on AMD
 * processors since Zen always, elsewhere where that is on its list.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe_look.h"
#include "probe_pci.h"

/* Bridges above a device that are followed. */
#define DEPTH		16
/* What of a device's configuration anybody may read. */
#define CONFIG_OPEN	64
#define ZEN		0x17
#define VERSION(a, b)	((a) << 16 | (b))
/* The newest kernel whose list is here. */
#define LISTED		VERSION(7, 3)
#define LIST		"the list of host bridges of Linux 7.3 (drivers/pci/p2pdma.c)"
#define ANY_DEVICE	0x10000
/* The PCI class of a bridge from bus to bus, which a root port is. */
#define CLASS_BRIDGE	0x0604

/*
 * The host bridges that the kernel trusts, by what stands first on their bus: its list in Linux
 * 6.12 and 7.3, the two that were looked at.
 */
static const struct trusted {
	unsigned int vendor, device;
	unsigned int since;		/* the older of the two that has it */
	bool alone;			/* not from one host bridge to another */
} trusted[] = {
	{ 0x8086, 0x3c00, VERSION(6, 12), true },
	{ 0x8086, 0x3c01, VERSION(6, 12), true },
	{ 0x8086, 0x2f00, VERSION(6, 12), true },
	{ 0x8086, 0x2f01, VERSION(6, 12), true },
	{ 0x8086, 0x2030, VERSION(6, 12), false },
	{ 0x8086, 0x2031, VERSION(6, 12), false },
	{ 0x8086, 0x2032, VERSION(6, 12), false },
	{ 0x8086, 0x2033, VERSION(6, 12), false },
	{ 0x8086, 0x2020, VERSION(6, 12), false },
	{ 0x8086, 0x09a2, VERSION(6, 12), false },
	{ 0x8086, 0x0b25, VERSION(7, 3), false },
	{ 0x8086, 0x0cfe, VERSION(7, 3), false },
	{ 0x8086, 0x11fb, VERSION(7, 3), false },
	{ 0x8086, 0x1212, VERSION(7, 3), false },
	{ 0x8086, 0x1216, VERSION(7, 3), false },
	{ 0x8086, 0x4940, VERSION(7, 3), false },
	{ 0x8086, 0x4942, VERSION(7, 3), false },
	{ 0x8086, 0x4944, VERSION(7, 3), false },
	{ 0x8086, 0x4946, VERSION(7, 3), false },
	{ 0x8086, 0x4948, VERSION(7, 3), false },
	{ 0x1ae0, ANY_DEVICE, VERSION(7, 3), false },
	{ 0x10de, 0x2f95, VERSION(7, 3), false },
	{ 0x10de, 0x2f96, VERSION(7, 3), false },
	{ 0x10de, 0x2f97, VERSION(7, 3), false },
	{ 0x10de, 0x2f98, VERSION(7, 3), false },
};

/* A host bridge, as the kernel knows it. */
struct host {
	char id[PROBE_NAME];
	unsigned int vendor, device;
};

/* A device and what is above it. */
struct chain {
	char root[PROBE_NAME];
	char at[DEPTH][PROBE_NAME];
	unsigned int nr;
};

enum acs {
	ACS_DIRECT,
	ACS_REDIRECTS,
	ACS_UNREADABLE,
};

/* The ports that stand in the way, and those of which it cannot be told. */
struct obstacles {
	char redirect[256];
	char unreadable[PROBE_NAME];
};

/* 0000:00:10.0, where domains may be longer */
static bool is_address(const char *name)
{
	unsigned int domain, bus, slot, function;
	int len = 0;

	return sscanf(name, "%x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &len) == 4 &&
	       !name[len] && isxdigit((unsigned char)name[0]);
}

/* From the host bridge, pci0000:00, down to the device. */
static bool read_chain(struct chain *chain, const char *path)
{
	char real[PATH_MAX], *part, *rest;

	*chain = (struct chain){ 0 };
	if (!realpath(path, real))
		return false;
	for (part = strtok_r(real, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
		if (strlen(part) >= PROBE_NAME)
			continue;
		/* a host bridge can lie below a device of another one */
		if (!strncmp(part, "pci", 3) && strchr(part, ':')) {
			strcpy(chain->root, part);
			chain->nr = 0;
		} else if (is_address(part) && chain->nr < DEPTH) {
			strcpy(chain->at[chain->nr++], part);
		}
	}
	return chain->nr;
}

char *pci_under(char *address, const char *path)
{
	struct chain chain;

	*address = '\0';
	if (read_chain(&chain, path))
		strcpy(address, chain.at[chain.nr - 1]);
	return address;
}

static char *iommu_type(char *type, size_t len, const char *address)
{
	return look_read(type, len, PCI_DEVICES "/%s/iommu_group/type", address);
}

static bool pci_translated(const char *address)
{
	char type[PROBE_NAME];

	return !strncmp(iommu_type(type, sizeof(type), address), "DMA", 3);
}

void pci_iommu(struct probe_row *row, const char *address)
{
	static const struct {
		const char *type, *mode;
	} modes[] = {
		{ "DMA", "strict" }, { "DMA-FQ", "lazy" }, { "identity", "passthrough" },
	};
	char type[PROBE_NAME], group[PROBE_NAME];
	const char *mode = type;

	look_link(group, sizeof(group), PCI_DEVICES "/%s/iommu_group", address);
	iommu_type(type, sizeof(type), address);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(type, modes[i].type))
			mode = modes[i].mode;
	}
	if (*address)
		probe_text(row, "iommu_mode", *group ? mode : "none");
	if (*group)
		probe_text(row, "iommu_group", group);
}

/* The ACS capability's control register decides; a port without it redirects nothing. */
static enum acs read_acs(const char *address)
{
	uint8_t config[PCI_CFG_SPACE_EXP_SIZE];
	unsigned int at = PCI_CFG_SPACE_SIZE;
	char path[PROBE_PATH];
	ssize_t len = -1;
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/config", address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, config, sizeof(config));
		close(fd);
	}
	if (len <= CONFIG_OPEN)
		return ACS_UNREADABLE;

	/* each entry is shorter than its distance to the next: 960 entries at most, and no loop */
	for (int tries = 960; tries && at && at + PCI_ACS_CTRL + 2 <= (unsigned int)len; tries--) {
		uint32_t header;
		uint16_t control;

		memcpy(&header, config + at, sizeof(header));
		if (header == UINT32_MAX)
			return ACS_UNREADABLE;
		if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_ACS) {
			memcpy(&control, config + at + PCI_ACS_CTRL, sizeof(control));
			return control & (PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC) ? ACS_REDIRECTS :
			       ACS_DIRECT;
		}
		at = PCI_EXT_CAP_NEXT(header);
	}
	return ACS_DIRECT;
}

/* Look at the ports of a chain from the device up to, without, number @end. */
static void look_at_ports(const struct chain *chain, unsigned int end, struct obstacles *found)
{
	for (unsigned int i = chain->nr; i-- > end;) {
		size_t len = strlen(found->redirect);

		switch (read_acs(chain->at[i])) {
		case ACS_REDIRECTS:
			snprintf(found->redirect + len, sizeof(found->redirect) - len, "%s%s",
				 len ? ";" : "", chain->at[i]);
			break;
		case ACS_UNREADABLE:
			strcpy(found->unreadable, chain->at[i]);
			break;
		case ACS_DIRECT:
			break;
		}
	}
}

/* An AMD processor, Zen or later: its host bridges are all trusted. */
static bool trusted_cpu(void)
{
	char line[256];
	bool amd = false;
	int family = 0;
	FILE *f;

	f = fopen("/proc/cpuinfo", "re");
	while (f && fgets(line, sizeof(line), f) && *line != '\n') {
		amd |= !strncmp(line, "vendor_id", 9) && strstr(line, "AuthenticAMD");
		sscanf(line, "cpu family : %d", &family);
	}
	if (f)
		fclose(f);
	return amd && family >= ZEN;
}

/*
 * By vendor:device of the first device on its bus, where that is a root port, or the one at 00.0;
 * else the kernel knows nothing of it.
 */
static void read_host(struct host *host, const char *root)
{
	const char *name = NULL;
	struct dirent **names;
	char path[PROBE_PATH];
	int nr;

	*host = (struct host){ 0 };
	snprintf(host->id, sizeof(host->id), "%s", root);
	snprintf(path, sizeof(path), "/sys/devices/%s", root);
	nr = look_list(path, &names);
	for (int i = 0; i < nr && !name; i++) {
		if (is_address(names[i]->d_name))
			name = names[i]->d_name;
	}
	if (name && (!strcmp(name + strlen(name) - strlen("00.0"), "00.0") ||
		     look_number(PCI_DEVICES "/%s/class", name) >> 8 == CLASS_BRIDGE)) {
		host->vendor = look_number(PCI_DEVICES "/%s/vendor", name);
		host->device = look_number(PCI_DEVICES "/%s/device", name);
		snprintf(host->id, sizeof(host->id), "%04x:%04x", host->vendor, host->device);
	}
	look_list_free(names, nr);
}

static unsigned int kernel_version(void)
{
	unsigned int major = 0, minor = 0;
	char release[PROBE_NAME];

	look_read(release, sizeof(release), "/proc/sys/kernel/osrelease");
	sscanf(release, "%u.%u", &major, &minor);
	return VERSION(major, minor);
}

/* Is it on this kernel's list? */
static void ask_list(struct probe_row *row, const struct host *host, bool same)
{
	unsigned int kernel = kernel_version();

	for (size_t i = 0; i < sizeof(trusted) / sizeof(trusted[0]); i++) {
		const struct trusted *t = &trusted[i];

		if (host->vendor != t->vendor ||
		    (t->device != ANY_DEVICE && host->device != t->device))
			continue;
		if (t->alone && !same)
			probe_says(row, PROBE_NO, "%s is on " LIST " for devices that are both "
				   "below it, and not beside another", host->id);
		else if (kernel < t->since)
			probe_says(row, PROBE_UNKNOWN, "%s is on " LIST "; this kernel is older, "
				   "and its own may lack it", host->id);
		else
			probe_says(row, PROBE_YES, NULL);
		return;
	}
	if (kernel > LISTED)
		probe_says(row, PROBE_UNKNOWN, "%s is not on " LIST "; this kernel is newer, and "
			   "its own may have it", host->id);
	else
		probe_says(row, PROBE_NO, "%s is not on " LIST ", and the kernel refuses what is "
			   "not", host->id);
}

/* Through the host bridge: where the kernel trusts it. */
static void through_host(struct probe_row *row, const struct chain *a, const struct chain *b)
{
	bool same = !strcmp(a->root, b->root);
	struct host one, other;

	read_host(&one, a->root);
	read_host(&other, b->root);
	probe_text(row, "way", "host bridge");
	probe_text(row, "iommu", pci_translated(b->at[b->nr - 1]) ? "translates" : "");
	probe_text(row, "host_bridge", one.id);
	if (!same)
		probe_text(row, "other_host_bridge", other.id);
	if (trusted_cpu()) {
		probe_says(row, PROBE_YES, NULL);
		return;
	}
	ask_list(row, &one, same);
	if (row->answer != PROBE_NO && !same) {
		struct probe_row second = *row;

		ask_list(&second, &other, same);
		if (second.answer != PROBE_YES)
			*row = second;
	}
}

void pci_reach(struct probe_row *row, const char *a, const char *b)
{
	struct obstacles found = { 0 };
	struct chain one, other;
	char path[PROBE_PATH];
	unsigned int common = 0;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s", a);
	read_chain(&one, path);
	snprintf(path, sizeof(path), PCI_DEVICES "/%s", b);
	read_chain(&other, path);

	while (!strcmp(one.root, other.root) && common < one.nr && common < other.nr &&
	       !strcmp(one.at[common], other.at[common]))
		common++;
	if (!common) {
		through_host(row, &one, &other);
		return;
	}

	/* the common bridge is one of the first's ports, for the kernel too */
	look_at_ports(&one, common - 1, &found);
	look_at_ports(&other, common, &found);
	probe_text(row, "bridge", one.at[common - 1]);
	if (found.redirect[0]) {
		probe_text(row, "acs_redirect", found.redirect);
		through_host(row, &one, &other);
		if (row->answer != PROBE_YES)
			probe_try(row, "boot with pci=disable_acs_redir=%s", found.redirect);
	} else if (found.unreadable[0]) {
		probe_says(row, PROBE_UNKNOWN, "the ACS settings of %s cannot be read",
			   found.unreadable);
		probe_try(row, "run as root");
	} else {
		probe_text(row, "way", "switch");
		probe_text(row, "iommu", pci_translated(b) ? "bypassed" : "");
		probe_says(row, PROBE_YES, NULL);
	}
}
