# Settings of the project's own tests, examples and benchmarks; nothing here reaches a user's targets.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(STET_OWN_WARNINGS -Wall -Wextra -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Element loops ask for vectorization; where the body calls tanh or exp there is none to be had, and no fault.
  list(APPEND STET_OWN_WARNINGS -Wno-pass-failed)
endif()
set(STET_OWN_FLAGS "")
if(PROJECT_IS_TOP_LEVEL)
  list(APPEND STET_OWN_FLAGS ${STET_OWN_WARNINGS})
endif()
if(STET_NATIVE)
  list(APPEND STET_OWN_FLAGS -march=native)
endif()

# stet_own_executable(name sources...): a program of this project, linked with stet and compiled with its flags.
function(stet_own_executable name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE stet::stet)
  target_compile_options(${name} PRIVATE ${STET_OWN_FLAGS})
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()
