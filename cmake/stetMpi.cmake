# stet_find_mpi(arguments of find_package...): MPI as stet::mpi links it, its C interface alone. Here and in an installation, which
# finds MPI anew where it is asked to: find_package(stet COMPONENTS mpi).
macro(stet_find_mpi)
  if(NOT TARGET MPI::MPI_CXX)
    set(MPI_CXX_SKIP_MPICXX ON)
    find_package(MPI 3 ${ARGN} COMPONENTS CXX)
  endif()
endmacro()
