// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: PCI devices, and the way from one to another.
 *
 * The kernel lets a device use another one's memory where both are below one bridge and no port on
 * the way redirects such requests upstream (ACS), and else where it trusts the host bridge: on AMD
 * processors since Zen always, elsewhere by a list of its own.
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
#define ASK_KERNEL	"the kernel decides by its list of host bridges " \
			"(drivers/pci/p2pdma.c): only if "

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

/* vendor:device by which the kernel knows a host bridge: that of the first device on its bus. */
static void host_bridge_id(char *id, size_t len, const char *root)
{
	char path[PROBE_PATH];
	struct dirent **names;
	int nr;

	snprintf(id, len, "%s", root);
	snprintf(path, sizeof(path), "/sys/devices/%s", root);
	nr = look_list(path, &names);
	for (int i = 0; i < nr; i++) {
		if (!is_address(names[i]->d_name))
			continue;
		snprintf(id, len, "%04llx:%04llx",
			 look_number(PCI_DEVICES "/%s/vendor", names[i]->d_name),
			 look_number(PCI_DEVICES "/%s/device", names[i]->d_name));
		break;
	}
	look_list_free(names, nr);
}

/* Through the host bridge: where the kernel trusts it. */
static void through_host(struct probe_row *row, const struct chain *a, const struct chain *b)
{
	bool same = !strcmp(a->root, b->root);
	char id_a[PROBE_NAME], id_b[PROBE_NAME];

	host_bridge_id(id_a, sizeof(id_a), a->root);
	host_bridge_id(id_b, sizeof(id_b), b->root);
	probe_text(row, "way", "host bridge");
	probe_text(row, "iommu", pci_translated(b->at[b->nr - 1]) ? "translates" : "");
	probe_text(row, "host_bridge", id_a);
	if (!same)
		probe_text(row, "other_host_bridge", id_b);
	if (trusted_cpu())
		probe_says(row, PROBE_YES, NULL);
	else if (same)
		probe_says(row, PROBE_UNKNOWN, ASK_KERNEL "%s is in it", id_a);
	else
		probe_says(row, PROBE_UNKNOWN, ASK_KERNEL "%s and %s are in it", id_a, id_b);
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
		if (row->answer == PROBE_UNKNOWN)
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
