"""What is done to training images: whole batches on the device, each image by its own draw."""
