"""What people are asked themselves: ticks that are confirmed by a link, mails, and the words of them and of pages."""
