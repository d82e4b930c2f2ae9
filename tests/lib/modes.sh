# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# IOMMU modes in the guest: sourced from the repository.

# namespace PCI-ADDRESS: the drive's first block device.
namespace()
{
	for name in "/sys/bus/pci/devices/$1"/nvme/nvme*/nvme*n*; do
		[ -b "/dev/${name##*/}" ] && echo "/dev/${name##*/}" && return
	done
	return 1
}

# switch MODE PCI-ADDRESS...: MODE as in sysfs: DMA, DMA-FQ, identity. All drives of a group go
# before its mode can change; the first comes back first.
switch()
{
	mode=$1
	shift
	for address; do
		echo "$address" >/sys/bus/pci/drivers/nvme/unbind
	done
	for address; do
		echo "$mode" >"/sys/bus/pci/devices/$address/iommu_group/type"
	done
	for address; do
		echo "$address" >/sys/bus/pci/drivers/nvme/bind
		[ "$(cat "/sys/bus/pci/devices/$address/iommu_group/type")" = "$mode" ]
		until namespace "$address" >/dev/null; do sleep 0.05; done
	done
	echo "mode $mode"
}
