! SPDX-License-Identifier: BSD-3-Clause
! The library from Fortran: arguments that are left out, arrays of requests, buffers of any type and
! rank, an operator written in Fortran, and what goes wrong.
module operators
  use dvm
  implicit none

contains

  ! Keeps the larger of two by magnitude.
  subroutine farther(out, a, b, count, type, arg) bind(c)
    type(c_ptr), value :: out, a, b, arg
    integer(c_size_t), value :: count
    integer(c_int), value :: type
    real(c_double), pointer :: x(:), y(:), z(:)
    integer, pointer :: calls

    call c_f_pointer(a, x, [count])
    call c_f_pointer(b, y, [count])
    call c_f_pointer(out, z, [count])
    call c_f_pointer(arg, calls)
    calls = calls + 1
    if (type /= DVM_DOUBLE) stop 20
    z = merge(x, y, abs(x) >= abs(y))
  end subroutine
end module

program fortran_job
  use dvm
  use operators
  implicit none
  integer(c_int), parameter :: einval = 22
  integer(c_int), parameter :: tag = 3
  type(c_ptr) :: d = c_null_ptr, world
  type(dvm_config_t) :: config
  type(dvm_error_t) :: err
  integer :: rank, size
  integer, target :: calls = 0

  config%size = c_sizeof(config)
  config%flags = 0
  config%log_level = 4
  config%log = c_null_funptr
  config%log_arg = c_null_ptr
  call expect(dvm_open(config=config, err=err), -einval) ! nowhere to put the handle
  if (len(dvm_f_text(err%text)) == 0) stop 10
  call expect(dvm_open(d, config), 0)
  rank = dvm_rank(d)
  size = dvm_size(d)
  world = dvm_world(d)
  call expect(dvm_rank(c_null_ptr), -einval)
  call expect(dvm_send(world, rank, 4_c_size_t, size, tag), -einval)
  call expect(dvm_send(world, len=4_c_size_t, dest=rank, tag=tag), -einval) ! no buffer
  if (dvm_f_text(dvm_strerror(-DVM_ETRUNC)) == dvm_f_text(dvm_strerror(0))) stop 11
  if (dvm_f_text(c_null_ptr) /= '') stop 12
  call everybody
  call any_shape
  call operator_of_ours
  call expect(dvm_close(d), 0)
  if (rank == 0) print '(i0, a)', size, ' ranks'

contains

  subroutine expect(got, wanted)
    integer(c_int), intent(in) :: got
    integer, intent(in) :: wanted

    if (got == wanted) return
    print '(a, i0, 3a, i0)', 'got ', got, ' (', dvm_f_text(dvm_strerror(got)), '), not ', wanted
    stop 1
  end subroutine

  ! Each rank's number to all, with requests and statuses in arrays.
  subroutine everybody
    type(c_ptr) :: reqs(2 * size)
    type(dvm_status_t) :: statuses(2 * size)
    integer(c_int), asynchronous :: theirs(size), mine
    integer :: i

    mine = 100 + rank
    do i = 1, size
      call expect(dvm_irecv(world, theirs(i:i), 4_c_size_t, i - 1, tag, reqs(i)), 0)
      call expect(dvm_isend(world, mine, 4_c_size_t, i - 1, tag, reqs(size + i)), 0)
    end do
    call expect(dvm_waitall(reqs, int(2 * size, c_size_t), statuses), 0)
    do i = 1, size
      if (theirs(i) /= 99 + i .or. statuses(i)%source /= i - 1 .or. statuses(i)%len /= 4) stop 13
      if (c_associated(reqs(i))) stop 14
    end do
  end subroutine

  ! A matrix, a string and nothing at all, to oneself.
  subroutine any_shape
    real(c_double) :: m(2, 3), n(2, 3)
    character(5) :: text
    type(dvm_status_t) :: status

    m = reshape([1, 2, 3, 4, 5, 6], [2, 3])
    n = 0
    call expect(dvm_send(world, m, c_sizeof(m), rank, tag), 0)
    call expect(dvm_recv(world, n, c_sizeof(n), rank, tag, status), 0)
    if (any(m /= n) .or. status%len /= 48) stop 15
    call expect(dvm_send(world, 'hello', 5_c_size_t, rank, tag), 0)
    call expect(dvm_recv(world, text, 5_c_size_t, DVM_ANY_SOURCE, DVM_ANY_TAG), 0)
    if (text /= 'hello') stop 16
    call expect(dvm_send(world, len=0_c_size_t, dest=rank, tag=tag), 0)
    call expect(dvm_recv(world, len=0_c_size_t, source=rank, tag=tag, status=status), 0)
    if (status%len /= 0) stop 17
  end subroutine

  subroutine operator_of_ours
    real(c_double) :: mine(2), all(2)
    integer(c_int) :: op

    op = dvm_op_create(d, c_funloc(farther), c_loc(calls), 1)
    if (op < DVM_OP_USER) stop 18
    mine = [-real(rank, c_double), 1.0_c_double]
    call expect(dvm_allreduce(world, mine, all, 2_c_size_t, DVM_DOUBLE, op), 0)
    if (all(1) /= -(size - 1) .or. all(2) /= 1) stop 19
    if (size == 2 .and. calls == 0) stop 21
    call expect(dvm_op_destroy(d, op), 0)
  end subroutine
end program
