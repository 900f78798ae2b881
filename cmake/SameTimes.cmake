# Run by cpack over what it has installed and is about to pack: one time and one set of rights for all files and folders, in archives
# of the same order.
set(epoch $ENV{SOURCE_DATE_EPOCH})
if(NOT epoch)
  set(epoch 1767225600)
endif()
set(ENV{SOURCE_DATE_EPOCH} ${epoch})
execute_process(COMMAND find ${CPACK_TEMPORARY_INSTALL_DIRECTORY} -exec touch -h -d @${epoch} {} + COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND find ${CPACK_TEMPORARY_INSTALL_DIRECTORY} -type f -exec chmod 644 {} + COMMAND_ERROR_IS_FATAL ANY)
