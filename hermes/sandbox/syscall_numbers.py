"""The numbers of the system calls that a profile names, for each kind of machine that a filter can be made for.

From the kernel's tables (arch/x86/entry/syscalls, scripts/syscall.tbl, arch/arm/tools); a test compares them
with what libseccomp says. A machine's second column is that of the 32-bit programs it can run.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

NEWEST: Final = 470
"""The last number that was given when this was written, on all of these machines."""

_TABLE: Final = """
name                      x86_64  i386  aarch64  arm
_sysctl                      156   149        -  149
acct                         163    51       89   51
add_key                      248   286      217  309
bpf                          321   357      280  386
chroot                       161    61       51   61
clock_adjtime                305   343      266  372
clock_adjtime64                -   405        -  405
clock_settime                227   264      112  262
clock_settime64                -   404        -  404
clone                         56   120      220  120
clone3                       435   435      435  435
create_module                174   127        -    -
delete_module                176   129      106  129
fanotify_init                300   338      262  367
finit_module                 313   350      273  379
fsconfig                     431   431      431  431
fsmount                      432   432      432  432
fsopen                       430   430      430  430
fspick                       433   433      433  433
get_kernel_syms              177   130        -    -
get_mempolicy                239   275      236  320
init_module                  175   128      105  128
io_uring_enter               426   426      426  426
io_uring_register            427   427      427  427
io_uring_setup               425   425      425  425
ioctl                         16    54       29   54
ioperm                       173   101        -    -
iopl                         172   110        -    -
kcmp                         312   349      272  378
kexec_file_load              320     -      294  401
kexec_load                   246   283      104  347
keyctl                       250   288      219  311
lookup_dcookie               212   253       18  249
mbind                        237   274      235  319
migrate_pages                256   294      238  400
mount                        165    21       40   21
mount_setattr                442   442      442  442
move_mount                   429   429      429  429
move_pages                   279   317      239  344
name_to_handle_at            303   341      264  370
nfsservctl                   180   169       42  169
open_by_handle_at            304   342      265  371
open_tree                    428   428      428  428
open_tree_attr               467   467      467  467
perf_event_open              298   336      241  364
personality                  135   136       92  136
pidfd_getfd                  438   438      438  438
pivot_root                   155   217       41  218
process_madvise              440   440      440  440
process_vm_readv             310   347      270  376
process_vm_writev            311   348      271  377
ptrace                       101    26      117   26
query_module                 178   167        -    -
quotactl                     179   131       60  131
quotactl_fd                  443   443      443  443
reboot                       169    88      142   88
request_key                  249   287      218  310
set_mempolicy                238   276      237  321
set_mempolicy_home_node      450   450      450  450
setdomainname                171   121      162  121
sethostname                  170    74      161   74
setns                        308   346      268  375
settimeofday                 164    79      170   79
socket                        41   359      198  281
stime                          -    25        -    -
swapoff                      168   115      225  115
swapon                       167    87      224   87
sysfs                        139   135        -  135
syslog                       103   103      116  103
umount                         -    22        -    -
umount2                      166    52       39   52
unshare                      272   310       97  337
uselib                       134    86        -   86
userfaultfd                  323   374      282  388
ustat                        136    62        -   62
vhangup                      153   111       58  111
vm86                           -   166        -    -
vm86old                        -   113        -    -
vserver                      236   273        -  313
"""


def _columns() -> dict[str, MappingProxyType[str, int]]:
    head, *rows = (line.split() for line in _TABLE.strip().splitlines())
    return {
        machine: MappingProxyType({row[0]: int(row[column]) for row in rows if row[column] != "-"})
        for column, machine in enumerate(head)
        if column
    }


NUMBERS: Final = MappingProxyType(_columns())
"""Maps a machine, as uname(2) calls it, to the numbers of system calls by their names."""
