! SPDX-License-Identifier: BSD-3-Clause
!
! Pi with PVM from Fortran: tasks that were spawned together, as a group, add up their parts of an
! integral.
!
!     gfortran -o pvm_pi pvm_pi.f90 -lfpvm3 -lgpvm3 -lpvm3
!     ./pvm_pi
!
program pi
  use pvm3
  implicit none
  integer, parameter :: tasks = 4, steps = 1000000, tag = 1
  integer :: parent, inst, info, i, started, tids(tasks - 1)
  double precision :: sum, x
  character(len=1024) :: self

  call pvmfparent(parent)
  call pvmfjoingroup('pi', inst)
  if (parent < 0) then ! we are the first one in the group, and start the others
    call get_command_argument(0, self)
    call pvmfspawn(self, PVMDEFAULT, '*', tasks - 1, tids, started)
    if (started < tasks - 1) stop 'not enough tasks'
  end if
  call pvmfbarrier('pi', tasks, info)

  sum = 0
  do i = inst, steps - 1, tasks
    x = (i + 0.5d0) / steps
    sum = sum + 4 / (1 + x * x) / steps
  end do
  call pvmfreduce(pvmsum, sum, 1, REAL8, tag, 'pi', 0, info)
  if (inst == 0) print '(a,f10.8,a,i0,a)', 'pi is ', sum, ', say ', tasks, ' tasks'
  call pvmfbarrier('pi', tasks, info)
  call pvmflvgroup('pi', info)
  call pvmfexit(info)
end program pi
