! SPDX-License-Identifier: BSD-3-Clause
! A token goes round all ranks, in Fortran: `ring_f [ROUNDS]`. Each rank adds its number; rank 0
! checks the sum against what a reduction says.
program ring
  use dvm
  implicit none
  integer, parameter :: tag = 7
  type(c_ptr) :: d, world
  type(dvm_error_t) :: err
  type(dvm_status_t) :: status
  integer(c_int64_t) :: token, mine, total
  integer(c_size_t), parameter :: bytes = 8
  integer :: rank, size, next, prev, rounds, i

  rounds = argument(100)
  if (dvm_open(d, err=err) < 0) then
    print '(2a)', 'ring_f: ', dvm_f_text(err%text)
    stop 1
  end if
  world = dvm_world(d)
  rank = dvm_rank(d)
  size = dvm_size(d)
  next = modulo(rank + 1, size)
  prev = modulo(rank - 1, size)

  token = 0
  do i = 1, rounds
    if (rank > 0) call check(dvm_recv(world, token, bytes, prev, tag, status))
    token = token + rank + 1
    call check(dvm_send(world, token, bytes, next, tag))
    if (rank == 0) call check(dvm_recv(world, token, bytes, prev, tag, status))
    if (status%source /= prev .or. status%len /= bytes) stop 3
  end do

  mine = int(rounds, c_int64_t) * (rank + 1)
  call check(dvm_allreduce(world, mine, total, 1_c_size_t, DVM_INT64, DVM_SUM))
  if (rank == 0) then
    print '(i0, a, i0, a, i0)', rounds, ' rounds over ', size, ' ranks: the token says ', token
    if (token /= total) stop 4
  end if
  call check(dvm_close(d))

contains

  integer function argument(default) result(n)
    integer, intent(in) :: default
    character(20) :: text
    integer :: bad

    n = default
    if (command_argument_count() < 1) return
    call get_command_argument(1, text)
    read (text, *, iostat=bad) n
    if (bad /= 0 .or. n < 1) then
      print '(a)', 'usage: ring_f [ROUNDS]'
      stop 2
    end if
  end function

  subroutine check(code)
    integer(c_int), intent(in) :: code

    if (code >= 0) return
    print '(a, i0, 2a)', 'ring_f: rank ', rank, ': ', dvm_f_text(dvm_strerror(code))
    stop 1
  end subroutine
end program
